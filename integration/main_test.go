package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// binDir holds the binary built for this test process; it goes away with it.
var binDir string

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if binDir != "" {
			_ = os.RemoveAll(binDir)
		}
		os.Exit(code)
	}))
}

// buildOnce builds weir for the whole test process; every test shares the binary or the error.
var buildOnce = sync.OnceValues(func() (string, error) {
	if bin := os.Getenv("WEIR_BIN"); bin != "" {
		return filepath.Abs(bin)
	}
	dir, err := os.MkdirTemp("", "weir-bin-")
	if err != nil {
		return "", fmt.Errorf("making a directory for the binary: %w", err)
	}
	binDir = dir
	bin := filepath.Join(dir, "weir")
	args := []string{"build", "-o", bin}
	if os.Getenv("WEIR_RACE") == "1" {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./cmd/weir")...)
	cmd.Dir = ".." // tests run in their package's directory
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building weir: %w\n%s", err, out)
	}
	return bin, nil
})

// weirBin is the path of the binary under test.
func weirBin(t *testing.T) string {
	t.Helper()
	bin, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// strict says whether a missing requirement fails the run instead of skipping the test.
func strict() bool {
	return os.Getenv("WEIR_REQUIRE") == "1" || strings.EqualFold(os.Getenv("CI"), "true")
}
