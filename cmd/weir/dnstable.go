package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/dashboard"
)

// lateZone is the lag of a zone that somebody should look at.
const lateZone = 2 * time.Minute

// recordLine is one record of a set: as it is, as it should be, and why not.
type recordLine struct {
	record             string
	published, desired bool
	why                string
	until              *time.Time
}

// allRecords stands for the records of a set that is held back as a whole.
const allRecords = "(all)"

// recordsOf lists a set's records, those that are published or should be first,
// then what else is held back.
func recordsOf(set *dashboard.DNSSet) []recordLine {
	all := slices.Concat(set.Published, set.Desired)
	slices.Sort(all)
	var lines []recordLine
	used := make([]bool, len(set.Held))
	for _, record := range slices.Compact(all) {
		l := recordLine{record: record, published: slices.Contains(set.Published, record), desired: slices.Contains(set.Desired, record)}
		for i, h := range set.Held {
			if !used[i] && h.Record != "" && (h.Record == record || strings.HasSuffix(record, " "+h.Record)) {
				used[i], l.why, l.until = true, h.Why, h.Until
				break
			}
		}
		lines = append(lines, l)
	}
	for i, h := range set.Held {
		if used[i] {
			continue
		}
		record := h.Record
		if record == "" {
			record = allRecords
		}
		lines = append(lines, recordLine{record: record, why: h.Why, until: h.Until})
	}
	return lines
}

// zone is a zone for people: a line about it, and its records.
func (s screen) zone(b *strings.Builder, v *view, z *dashboard.DNSStatus, diff bool, now time.Time) {
	words, well := zoneWords(z, now)
	b.WriteString(s.in(bold, z.Zone) + ": " + s.in(map[bool]paint{false: yellow}[well], oneLine(words)) + "\n")
	if !z.Leader {
		b.WriteString("  another replica writes it" + leaderOf(v) + "\n")
		return
	}
	if len(z.Sets) == 0 {
		b.WriteString("  " + map[bool]string{false: "its records have not been read yet", true: "nothing differs, and nothing is held back"}[diff] + "\n")
		return
	}
	rows := [][]cell{{{text: "NAME"}, {text: "TYPE"}, {text: "RECORD"}, {text: "PUBLISHED"}, {text: "DESIRED"}, {text: "UNTIL"}, {text: "HELD BACK BY"}}}
	for i := range z.Sets {
		set := &z.Sets[i]
		for _, l := range recordsOf(set) {
			until := ""
			if l.until != nil {
				until = l.until.Local().Format(time.TimeOnly)
			}
			c := cell{text: yesOrNo(l.desired)}
			if l.published != l.desired {
				c.paint = yellow
			}
			is := yesOrNo(l.published)
			if l.record == allRecords {
				is, c.text = "", ""
			}
			rows = append(rows, []cell{{text: set.Name}, {text: set.Type}, {text: l.record}, {text: is}, c, {text: until}, {text: l.why}})
		}
	}
	s.columns(b, "  ", rows)
}

func yesOrNo(b bool) string { return map[bool]string{true: "yes", false: "no"}[b] }

// leaderOf says which replica to ask instead, where that is known.
func leaderOf(v *view) string {
	for _, r := range v.Replicas {
		if r.Leader && !r.Self {
			return ", now " + r.Name + ": ask that one"
		}
	}
	return ""
}

// zoneWords tells how a zone stands, and whether that is well.
func zoneWords(z *dashboard.DNSStatus, now time.Time) (words string, well bool) {
	parts := []string{z.Mode}
	if z.DryRun {
		parts = append(parts, "dry run")
	}
	if z.Serial != 0 {
		parts = append(parts, fmt.Sprintf("serial %d", z.Serial))
	}
	if z.LastWrite != nil {
		parts = append(parts, "written "+age(now.Sub(*z.LastWrite))+" ago")
	}
	if z.LagSeconds > 0 {
		parts = append(parts, "not as it should be for "+age(time.Duration(z.LagSeconds*float64(time.Second))))
	}
	if f := z.Frozen; f != nil {
		text := "frozen"
		if f.Released {
			text = "released"
		}
		text += " for " + age(now.Sub(f.Since))
		if f.By != "" {
			text += " by " + f.By
		}
		if f.Reason != "" {
			text += " (" + f.Reason + ")"
		}
		parts = append(parts, text)
	}
	words = strings.Join(parts, ", ")
	if z.LastError != "" {
		words += ": " + z.LastError
	}
	late := time.Duration(z.LagSeconds*float64(time.Second)) >= lateZone && !z.DryRun
	return words, z.Frozen == nil && z.LastError == "" && !late
}

// zoneState is a zone in one word, for programs.
func zoneState(z *dashboard.DNSStatus) string {
	switch {
	case z.Frozen != nil && z.Frozen.Released:
		return "released"
	case z.Frozen != nil:
		return "frozen"
	case z.LastError != "":
		return "error"
	case z.LagSeconds > 0:
		return "late"
	default:
		return "ok"
	}
}

// plainZone is a zone for programs that read lines.
func plainZone(b *strings.Builder, z *dashboard.DNSStatus) {
	written := "-"
	if z.LastWrite != nil {
		written = z.LastWrite.UTC().Format(time.RFC3339)
	}
	line(b, "zone", z.Zone, z.Mode, map[bool]string{true: "leader", false: "-"}[z.Leader], zoneState(z), z.Epoch, z.Serial, written, z.LagSeconds, orDash(z.LastError))
	for i := range z.Sets {
		set := &z.Sets[i]
		for _, l := range recordsOf(set) {
			until := "-"
			if l.until != nil {
				until = l.until.UTC().Format(time.RFC3339)
			}
			line(b, "record", z.Zone, set.Name, set.Type, l.record,
				map[bool]string{true: "published", false: "-"}[l.published], map[bool]string{true: "desired", false: "-"}[l.desired], until, orDash(l.why))
		}
	}
}

// completeZones completes the name of a zone, silently like completeNames.
func completeZones(flags *adminFlags) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		const nothing = cobra.ShellCompDirectiveNoFileComp
		v := quietStatus(cmd.Context(), flags)
		if v == nil || len(args) > 0 {
			return nil, nothing
		}
		var out []cobra.Completion
		for i := range v.DNS {
			if name := v.DNS[i].Zone; strings.HasPrefix(name, typed) {
				out = append(out, cobra.CompletionWithDesc(name, zoneState(&v.DNS[i])))
			}
		}
		return out, nothing
	}
}
