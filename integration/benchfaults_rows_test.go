package integration

import (
	"time"

	"weir/internal/faulty"
)

// benchRow is one line of the fault table: what is wrong with one of the four connectors, and what weir promises then.
type benchRow struct {
	name   string
	faults []faulty.Fault
	refuse bool          // its listener is closed
	pause  time.Duration // senders pause before their last line: a loss in the body then shows before the terminator
	atMost int           // first tries that may fail behind weir; unbounded where no front end can know better
	twice  bool          // the connector stores and does not say so: copies are of its making
}

// unbounded marks the rows in which the loss is seen only after the terminator was written (P9).
const unbounded = -1

// lateOnes is the name of messages that are begun after the hurt. Faults in and behind the body are for them only, else
// one that was half sent before would be hurt in a place that is not the row's.
const lateOnes = "late"

// benchRows is the table of faults, in the order of the dialogue.
func benchRows() []benchRow {
	rows := []benchRow{
		{name: "refuses connections", refuse: true},
		{name: "resets connections", faults: []faulty.Fault{faulty.At(faulty.Connect, faulty.Reset)}},
		{name: "mute before the banner", faults: []faulty.Fault{faulty.At(faulty.Connect, faulty.Mute)}},
		{name: "mute at EHLO", faults: []faulty.Fault{faulty.At(faulty.EHLO, faulty.Mute), faulty.At(faulty.HELO, faulty.Mute)}},
		{name: "greets with 421", faults: []faulty.Fault{faulty.Say(faulty.Banner, "421 4.3.2 too busy")}},
		{name: "greets with 554", faults: []faulty.Fault{faulty.Say(faulty.Banner, "554 5.3.2 no mail here")}},
	}
	stages := []struct {
		name  string
		stage faulty.Stage
	}{{"MAIL", faulty.MAIL}, {"RCPT", faulty.RCPT}, {"DATA", faulty.DATA}, {"the final dot", faulty.FinalDot}}
	for _, s := range stages {
		rows = append(rows, benchRow{name: "mute at " + s.name, faults: meant(faulty.At(s.stage, faulty.Mute)), atMost: boundAt(s.stage, unbounded)})
	}
	for _, s := range stages[:3] {
		rows = append(rows, benchRow{name: "421 at " + s.name, faults: meant(faulty.Say(s.stage, "421 4.3.2 closing"))})
	}
	for _, s := range stages {
		// 451 to RCPT is the connector's right (P6) and relayed, and so is 451 to the end (P10): some senders see it.
		atMost := map[faulty.Stage]int{faulty.RCPT: 29, faulty.FinalDot: 14}[s.stage]
		rows = append(rows, benchRow{name: "451 at " + s.name, faults: meant(faulty.Say(s.stage, "451 4.3.0 try later")), atMost: atMost})
	}
	late := faulty.Fault{Stage: faulty.FinalDot, Delay: 6 * time.Second, Store: true}
	return append(rows,
		benchRow{name: "drops in the body", faults: meant(faulty.InBody(2000, faulty.Drop)), atMost: unbounded},
		benchRow{
			name: "drops in the body, senders pause before their last line", faults: meant(faulty.InBody(2000, faulty.Drop)),
			pause: 250 * time.Millisecond,
		},
		benchRow{name: "drops at the final dot, before storing", faults: meant(faulty.At(faulty.FinalDot, faulty.Drop)), atMost: unbounded},
		benchRow{name: "drops at the final dot, after storing", faults: meant(faulty.StoreThen(faulty.Drop)), atMost: unbounded, twice: true},
		benchRow{name: "stores, answers 6 s later", faults: meant(late), atMost: unbounded, twice: true},
	)
}

// boundAt is 0 up to the commit point and otherwise past it.
func boundAt(stage faulty.Stage, otherwise int) int {
	if stage == faulty.FinalDot {
		return otherwise
	}
	return 0
}

// meant limits faults in and behind the body to messages that were begun after the hurt.
func meant(f faulty.Fault) []faulty.Fault {
	if f.Stage == faulty.Body || f.Stage == faulty.FinalDot {
		f = f.Containing(lateOnes + "-")
	}
	return []faulty.Fault{f}
}
