package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	alertRules     = "../deploy/prometheus/weir.rules.yml"
	alertRulesTest = "../deploy/prometheus/weir.rules.test.yml"
	grafanaPage    = "../deploy/grafana/weir.json"
)

// promtool runs Prometheus' own checker.
func promtool(t *testing.T, stdin []byte, args ...string) {
	t.Helper()
	need(t, "promtool", "prometheus")
	cmd := exec.CommandContext(t.Context(), "promtool", args...)
	cmd.Stdin = bytes.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestAlertRules(t *testing.T) {
	promtool(t, nil, "check", "rules", alertRules)
	promtool(t, nil, "test", "rules", alertRulesTest)
}

// matches returns what a pattern's group finds in a file, each once.
func matches(t *testing.T, path, pattern string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// What the Grafana page asks for is understood by Prometheus.
func TestGrafanaPage(t *testing.T) {
	text, err := os.ReadFile(grafanaPage)
	if err != nil {
		t.Fatal(err)
	}
	var page struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &page); err != nil {
		t.Fatal(err)
	}
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	variables := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*", "$pool", ".*")
	for _, p := range page.Panels {
		for _, target := range p.Targets {
			rules = append(rules, rule{fmt.Sprintf("panel:%d", len(rules)), variables.Replace(target.Expr)})
		}
	}
	if len(rules) < 10 {
		t.Fatalf("only %d expressions were found", len(rules))
	}
	file, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "page", "rules": rules}}}) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "page.yml")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, nil, "check", "rules", path)
}

// Each alert has a runbook, is tested, and names metrics that there are.
func TestAlertsHaveRunbooks(t *testing.T) {
	alerts := matches(t, alertRules, `alert: (\w+)`)
	files, err := filepath.Glob("../docs/runbooks/*.md")
	if err != nil || len(alerts) < 10 {
		t.Fatalf("%d alerts, %v", len(alerts), err)
	}
	var books []string
	for _, f := range files {
		books = append(books, strings.TrimSuffix(filepath.Base(f), ".md"))
	}
	if !slices.Equal(alerts, books) {
		t.Errorf("alerts %v\nrunbooks %v", alerts, books)
	}
	if named := matches(t, alertRules, `(?m)^ +runbook: docs/runbooks/(\w+)\.md`); !slices.Equal(named, alerts) {
		t.Errorf("the rules name the runbooks %v", named)
	}
	if tested := matches(t, alertRulesTest, `(?s)alertname: (\w+)\n        exp_alerts:`); !slices.Equal(tested, alerts) {
		t.Errorf("of %v only %v are seen to fire", alerts, tested)
	}
}

// metricName finds the names of weir's metrics.
const metricName = `(weir_[a-z_]+)`

// notEverywhere are metrics that only some sites have: of zones, of Consul, of certificates.
func notEverywhere(name string) bool {
	return strings.HasPrefix(name, "weir_dns_") || strings.HasPrefix(name, "weir_consul_") || strings.HasPrefix(name, "weir_certificate_")
}

// prometheusConfig has a Prometheus scrape weir every second.
const prometheusConfig = `global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%s]
scrape_configs: [{job_name: weir, static_configs: [{targets: ["%s"]}]}]
`

// A real Prometheus reads what weir shows, and weir shows all that the alerts and
// the Grafana page are made of.
func TestPrometheusScrapesWeir(t *testing.T) {
	need(t, "prometheus", "prometheus")
	w := newFlock(t, 2, opts{})
	if err := sendOne(w.SMTPAddr(), w.message("scraped", 100)); err != nil {
		t.Fatal(err)
	}
	code, scrape, err := w.get("/metrics")
	if err != nil || code != http.StatusOK {
		t.Fatalf("%d, %v", code, err)
	}
	promtool(t, scrape, "check", "metrics")
	for _, path := range []string{alertRules, grafanaPage} {
		for _, name := range matches(t, path, metricName) {
			if !notEverywhere(name) && !bytes.Contains(scrape, []byte("\n"+name+"{")) && !bytes.Contains(scrape, []byte("\n"+name+" ")) {
				t.Errorf("%s names %s, which weir does not show", path, name)
			}
		}
	}
	p := startPrometheus(t, w.weir)
	eventually(t, 30*time.Second, func() bool { return p.value(`weir_pool_eligible{pool="`+poolName+`"}`) == "2" }, "Prometheus does not know of two eligible connectors")
	if got := p.value(`sum(weir_transactions_total{outcome="delivered"})`); got != "1" {
		t.Errorf("Prometheus knows of %s transactions", got)
	}
}

// promServer is a running Prometheus.
type promServer struct {
	t   *testing.T
	url string
}

func startPrometheus(t *testing.T, w *weir) *promServer {
	t.Helper()
	dir, addr := t.TempDir(), freeAddr(t)
	rules, err := filepath.Abs(alertRules)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, prometheusConfig, rules, w.admin), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	unwatch := guard(t, cmd.Process.Pid)
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		unwatch()
		if t.Failed() {
			t.Logf("Prometheus said:\n%s", out.String())
		}
	})
	return &promServer{t, "http://" + addr}
}

// value asks for a single number; empty while there is none.
func (p *promServer) value(query string) string {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get(p.url + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return ""
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || len(answer.Data.Result) != 1 {
		return ""
	}
	text, _ := answer.Data.Result[0].Value[1].(string)
	return text
}
