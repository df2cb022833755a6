package balancer_test

import (
	"testing"
	"time"

	"weir/internal/backend"
)

// Answers may come together, and are not waited for one by one: each took some time all
// the same, or logs and metrics would leave its stage out, and each comes behind the one
// before it. Together the stages took no longer than the transaction.
func TestStagesOfAPipelinedGroup(t *testing.T) {
	b := newBench(t, "a")
	b.start(0)
	s := b.dial().hello()
	s.ask("MAIL FROM:<from@client.test>\r\nRCPT TO:<a@mx.test>\r\nRCPT TO:<b@mx.test>\r\nRCPT TO:<c@mx.test>\r\nDATA\r\n", "250 *")
	for _, want := range []string{"250 *", "250 *", "250 *", "354 *"} {
		s.ask("", want)
	}
	s.ask("Subject: x\r\n\r\nx\r\n.\r\n", "250 *")
	s.ask("QUIT\r\n", "221 *")
	rec := b.witness.transaction(t, 1)
	var sum time.Duration
	for _, stage := range []backend.Stage{backend.StageMail, backend.StageRcpt, backend.StageData, backend.StageBody, backend.StageFinalDot} {
		if rec.Stages[stage] <= 0 {
			t.Errorf("%s took %v", stage, rec.Stages[stage])
		}
		sum += rec.Stages[stage]
	}
	if sum > rec.Duration {
		t.Errorf("the stages took %v, of %v", sum, rec.Duration)
	}
	b.witness.mu.Lock()
	defer b.witness.mu.Unlock()
	var last time.Time
	for _, o := range b.witness.outcomes {
		if o.stage >= backend.StageMail && o.stage != backend.StageBody && !o.At.After(last) {
			t.Errorf("the end of %s is at %v, not behind %v", o.stage, o.At, last)
		}
		last = o.At
	}
}
