package sink

import (
	"fmt"
	"time"
)

// Stage is what a reply answers; its names are those of weir's config.
type Stage int

// The stages that have a reply.
const (
	Banner Stage = iota
	Ehlo
	Mail
	Rcpt
	Data
	FinalDot
	stages
)

var stageNames = [stages]string{"banner", "ehlo", "mail", "rcpt", "data", "final_dot"}

// StageNamed finds a stage by its name.
func StageNamed(name string) (Stage, error) {
	for i, n := range stageNames {
		if n == name {
			return Stage(i), nil
		}
	}
	return 0, fmt.Errorf("%q is no stage: one of %v", name, stageNames)
}

// Replies that never wait.
const (
	replyOK      = "250 2.0.0 Ok\r\n"
	replyBye     = "221 2.0.0 Bye\r\n"
	replyUnknown = "500 5.5.2 Unknown command\r\n"
)

// replies is what is said at each stage.
type replies [stages]struct {
	text  []byte
	delay time.Duration
}

func newReplies(o Options) replies {
	ehlo := "250-sink.test.example\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n"
	if o.NoPipelining {
		ehlo = "250-sink.test.example\r\n250-SIZE 104857600\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n"
	}
	var r replies
	for stage, text := range map[Stage]string{
		Banner: "220 sink.test.example ESMTP\r\n", Ehlo: ehlo, Mail: "250 2.1.0 Ok\r\n", Rcpt: "250 2.1.5 Ok\r\n",
		Data: "354 End data with <CR><LF>.<CR><LF>\r\n", FinalDot: "250 2.0.0 Ok: queued as 4dPmD2hZ\r\n",
	} {
		r[stage].text = []byte(text)
		r[stage].delay = o.Delays[stage]
	}
	return r
}
