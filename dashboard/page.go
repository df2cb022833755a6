package dashboard

import (
	"bytes"
	"net/http"
	"time"
)

// pageView is what the page shows: the status, at a moment.
type pageView struct {
	status
	At time.Time
}

func (s *Server) servePage(w http.ResponseWriter, _ *http.Request, _ caller) {
	var page bytes.Buffer
	if err := s.page.Execute(&page, pageView{status: s.status(), At: s.now().UTC()}); err != nil {
		writeError(w, http.StatusInternalServerError, "making the page: "+err.Error())
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy",
		"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.Header().Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(page.Bytes()) // the client may be gone
}

// pageText is plain on purpose: no script, nothing from outside, readable in any
// browser of a machine room. It asks for itself again every two seconds.
const pageText = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="2">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>weir: {{.Verdict}}</title>
<style>
:root { color-scheme: light dark; --line: #ccc; --dim: #666; --up: #17733a; --warn: #8a5a00; --bad: #b00020; }
@media (prefers-color-scheme: dark) {
  :root { --line: #444; --dim: #aaa; --up: #6fd08c; --warn: #f0b849; --bad: #ff8a80; }
}
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 1.6rem 0 .3rem; }
h1::first-letter { text-transform: uppercase; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--dim); font-weight: normal; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
.dim { color: var(--dim); }
.at { white-space: nowrap; }
.up { color: var(--up); }
.starting, .recovering, .drain, .thin { color: var(--warn); }
.down, .ejected, .disabled, .empty { color: var(--bad); }
</style>
</head>
<body>
<h1>{{.Verdict}}</h1>
{{if .Standby}}<p class="drain">This replica is in standby: it serves, and wants no new senders.</p>{{end}}
{{range .Pools}}
<h2>{{.Name}}
  <span class="{{if not .Eligible}}empty{{else if not .Redundant}}thin{{else}}dim{{end}}">{{.Eligible}} of {{.Total}} eligible</span>
  {{if .Panic}}<span class="empty">· panic: ejected ones are used</span>{{end}}
  <span class="dim">· {{.Policy}}</span></h2>
<div class="scroll"><table>
<tr><th>connector</th><th>address</th><th>state</th><th>why</th><th class="n">in flight</th><th class="n">messages</th>
<th class="n">failures</th><th class="n">p50 ms</th><th class="n">p99 ms</th><th>last probe</th><th>known from</th></tr>
{{range .Backends}}<tr>
<td>{{.Name}}</td><td>{{.Address}}</td>
<td class="{{.State}}">{{.State}}</td>
<td>{{.Reason}} <span class="dim at">since {{.Since.Format "2006-01-02 15:04:05"}}</span>
{{- with .AdminBy}} <span class="dim">· ordered by {{.}}</span>{{end}}{{with .AdminUntil}} <span class="dim at">until {{.Format "2006-01-02 15:04:05"}}</span>{{end}}</td>
<td class="n">{{.InFlight}}</td><td class="n">{{.Messages}}</td><td class="n">{{.Failures}}</td>
<td class="n">{{printf "%.1f" .LatencyMS.P50}}</td><td class="n">{{printf "%.1f" .LatencyMS.P99}}</td>
<td>{{with .Probe}}{{.Depth}} {{.At.Format "15:04:05"}} {{if .OK}}passed in {{printf "%.1f" .MS}} ms{{else}}<span class="down">{{.Error}}</span>{{end}}{{else}}<span class="dim">none yet</span>{{end}}</td>
<td>{{range $i, $s := .Sources}}{{if $i}}, {{end}}{{$s}}{{end}}{{if .Gone}}<span class="drain">no source any more</span>{{end}}</td>
</tr>
{{else}}<tr><td colspan="11" class="empty">no connectors</td></tr>
{{end}}</table></div>
{{end}}
{{if .Listeners}}<h2>listeners</h2>
<div class="scroll"><table>
<tr><th>name</th><th>address</th><th class="n">sessions</th><th class="n">limit</th></tr>
{{range .Listeners}}<tr><td>{{.Name}}</td><td>{{.Address}}</td><td class="n">{{.Sessions}}</td><td class="n">{{if .Limit}}{{.Limit}}{{else}}none{{end}}</td></tr>
{{end}}</table></div>{{end}}
{{if .Discovery}}<h2>discovery</h2>
<div class="scroll"><table>
<tr><th>source</th><th>pool</th><th>state</th><th>why</th><th class="n">connectors</th></tr>
{{range .Discovery}}<tr><td>{{.Source}}</td><td>{{.Pool}}</td><td class="{{if .Stale}}drain{{end}}">{{.State}}</td>
<td>{{.Why}} <span class="dim at">since {{.Since.UTC.Format "2006-01-02 15:04:05"}}{{with .Until}} until {{.UTC.Format "15:04:05"}}{{end}}</span>
{{- if .FromDisk}} <span class="drain">· read from disk</span>{{end}}</td><td class="n">{{.Connectors}}</td></tr>
{{end}}</table></div>{{end}}
{{with .Consul}}{{if .Address}}<h2>Consul</h2>
<p>{{.Address}}: {{if .Reachable}}reachable{{else}}<span class="down">not reachable</span>{{end}}
{{- with .Since}} <span class="dim at">since {{.UTC.Format "2006-01-02 15:04:05"}}</span>{{end}}{{with .Error}} · {{.}}{{end}}
{{- if not .Registered}} · <span class="drain">this replica is not registered</span>{{end}}
{{- range .Unshared}} · <span class="drain">not shared: {{.}}</span>{{end}}</p>{{end}}{{end}}
{{if .Replicas}}<h2>replicas</h2>
<div class="scroll"><table>
<tr><th>name</th><th>version</th><th>last seen</th><th>state</th></tr>
{{range .Replicas}}<tr><td>{{.Name}}{{if .Self}} <span class="dim">(this one)</span>{{end}}</td><td>{{.Version}}</td>
<td class="at">{{.Seen.UTC.Format "2006-01-02 15:04:05"}}</td>
<td>{{if .Self}}{{else if .Agrees}}agrees{{else}}<span class="drain">disagrees</span>{{end}}{{if .Leader}} leader{{end}}{{if .Standby}} <span class="drain">standby</span>{{end}}</td></tr>
{{end}}</table></div>{{end}}
<p class="dim">weir {{.Version}} · {{.At.Format "2006-01-02 15:04:05"}} UTC · the same for programs: /v1/status, /v1/events, /metrics</p>
</body>
</html>
`
