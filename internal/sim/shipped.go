package sim

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
)

//go:embed scenarios/*.yaml
var shipped embed.FS

const (
	shippedFolder = "scenarios"
	shippedEnding = ".yaml"
)

// ShippedNames lists the scenarios that come with weir.
func ShippedNames() []string {
	files, err := shipped.ReadDir(shippedFolder)
	if err != nil {
		panic("a folder that was embedded is not there: " + err.Error())
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), shippedEnding))
	}
	slices.Sort(names)
	return names
}

// Shipped returns the text of a scenario that comes with weir.
func Shipped(name string) ([]byte, error) {
	if !slices.Contains(ShippedNames(), name) {
		return nil, fmt.Errorf("no scenario called %q comes with weir; there are %s", name, listing(ShippedNames()))
	}
	return shipped.ReadFile(path.Join(shippedFolder, name+shippedEnding))
}
