package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/dashboard"
	"weir/internal/history"
)

func newFind() *cobra.Command {
	var admin adminFlags
	var output string
	words := map[string]*string{}
	cmd := &cobra.Command{
		Use:   "find",
		Short: "Tell where a message went",
		Long: `Tell where messages went: those of the last transactions that fit all that is
asked for, the newest first. The running weir keeps them in memory, 100000 unless
history.transactions says otherwise, and forgets them when it stops; its log knows more.
Where the log masks addresses, an address finds everybody of its domain.`,
		Example: `  weir find --to bob@example.com --around 10:32
  weir find --message-id m1@example.org
  weir find --tried internet/mx-b --since 1h
  weir find --outcome ambiguous --since 24h`,
		Args: noArgs,
	}
	admin.add(cmd)
	addOutput(cmd, &output)
	for name, usage := range map[string]string{
		"id": "the `id` at the end of weir's reply and in its Received line, or its session's", "remote-id": "the connector's `id` of it",
		"message-id": "the `id` in its head", "from": "the sender: an `address` or a domain; <> is the null sender", "to": "a recipient: an `address` or a domain",
		"client": "whom it came from: an IP `address` or a network", "around": "under way within 5 minutes of this `time`, such as 10:32 by the clock of weir's machine, or RFC 3339",
		"since": "not older than this `time`, such as 1h, or RFC 3339", "pool": "the `pool`", "backend": "the `connector` that answered last: NAME or POOL/NAME",
		"tried":   "a `connector` that was left, wherever the message went then",
		"outcome": "how it ended: `delivered`, rejected, deferred, aborted, ambiguous or delivered-unacknowledged",
		"limit":   "at most so `many`, up to 1000 (default 100)",
	} {
		words[name] = cmd.Flags().String(name, "", usage)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if bad := badOutput(output); bad != "" {
			return usageError{errors.New(bad), hintOf(cmd)}
		}
		return runFind(cmd, &admin, words, output)
	}
	return cmd
}

func runFind(cmd *cobra.Command, admin *adminFlags, words map[string]*string, output string) error {
	query := url.Values{}
	for name, word := range words {
		if *word != "" {
			query.Set(strings.ReplaceAll(name, "-", "_"), *word)
		}
	}
	c, err := admin.client(cmd)
	if err != nil {
		return err
	}
	path := "/v1/transactions"
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var answer dashboard.TransactionsAnswer
	if err := c.get(cmd.Context(), path, &answer); err != nil {
		return err
	}
	if output == "json" {
		encoder := json.NewEncoder(cmd.OutOrStdout())
		encoder.SetEscapeHTML(false)
		return encoder.Encode(&answer)
	}
	s := screenOf(cmd.OutOrStdout())
	if len(answer.Transactions) == 0 {
		return errors.New(notFound(&answer))
	}
	_, err = fmt.Fprint(s.w, s.transactions(&answer))
	return err
}

// notFound says how far memory goes: what is older may be in the log.
func notFound(a *dashboard.TransactionsAnswer) string {
	if a.Kept == 0 || a.Since == nil {
		return "not found: no transactions are kept yet"
	}
	return fmt.Sprintf("not found: kept are %s since %s", count(a.Kept, "transaction"), a.Since.Local().Format(time.DateTime+" -07:00"))
}

func (s screen) transactions(a *dashboard.TransactionsAnswer) string {
	var b strings.Builder
	if !s.tty {
		for i := range a.Transactions {
			plainTransaction(&b, &a.Transactions[i])
		}
		return b.String()
	}
	rows := [][]cell{{{text: "TIME"}, {text: "ID"}, {text: "CLIENT"}, {text: "FROM"}, {text: "TO"}, {text: "CONNECTOR"}, {text: "OUTCOME"}, {text: "REPLY"}}}
	for i := range a.Transactions {
		rows = append(rows, transactionRow(&a.Transactions[i]))
	}
	s.columns(&b, "", rows)
	if len(a.Transactions) == 1 {
		b.WriteString("\n")
		s.columns(&b, "", transactionDetails(&a.Transactions[0]))
	}
	if a.More {
		fmt.Fprintf(&b, "\nthere are more: ask for less, or for more at once with --limit\n")
	}
	return b.String()
}

func transactionRow(t *history.Transaction) []cell {
	return []cell{
		{text: t.Time.Local().Format("01-02 15:04:05")},
		{text: t.ID},
		{text: clientOf(t)},
		{text: senderOf(t)},
		{text: recipientsOf(t)},
		{text: orDash(connectorOf(t))},
		{text: t.Outcome, paint: outcomePaint(t.Outcome)},
		{text: replyOf(t)},
	}
}

func clientOf(t *history.Transaction) string {
	if !t.Client.IsValid() {
		return "-"
	}
	return t.Client.Addr().Unmap().String()
}

func senderOf(t *history.Transaction) string {
	if t.From == "" {
		return "<>"
	}
	return t.From
}

// recipientsOf names the first recipient, and how many more there are.
func recipientsOf(t *history.Transaction) string {
	if len(t.Rcpts) == 0 {
		return "-"
	}
	if more := max(t.RcptCount, len(t.Rcpts)) - 1; more > 0 {
		return fmt.Sprintf("%s +%d", t.Rcpts[0], more)
	}
	return t.Rcpts[0]
}

func connectorOf(t *history.Transaction) string {
	return strings.TrimSuffix(t.Pool+"/"+t.Backend, "/")
}

// replyOf is the sender's last answer, and whose it is.
func replyOf(t *history.Transaction) string {
	if t.Code == 0 {
		return "none"
	}
	return t.By + ": " + t.Reply
}

func outcomePaint(outcome string) paint {
	switch outcome {
	case "delivered":
		return green
	case "rejected", "aborted":
		return uncoloured
	case "deferred":
		return yellow
	default:
		return red
	}
}

// transactionDetails is what one transaction has besides its row.
func transactionDetails(t *history.Transaction) [][]cell {
	rows := [][]cell{
		{{text: "session"}, {text: fmt.Sprintf("%s at %s, HELO %s", orDash(t.Session), orDash(t.Listener), orDash(t.HELO))}},
		{{text: "recipients"}, {text: orDash(strings.Join(t.Rcpts, ", "))}},
		{{text: "message"}, {text: fmt.Sprintf("%s, %d bytes", orDash(t.MessageID), t.Bytes)}},
		{{text: "went to"}, {text: fmt.Sprintf("%s, there called %s; it came to %s in %s", orDash(connectorOf(t)), orDash(t.RemoteID), orDash(t.Stage), took(t.DurationMS))}},
	}
	for _, left := range t.Tries {
		rows = append(rows, []cell{{text: "left"}, {text: left.Backend + ": " + left.Why}})
	}
	return rows
}

func plainTransaction(b *strings.Builder, t *history.Transaction) {
	line(b, t.Time.UTC().Format(time.RFC3339Nano), t.ID, t.Session, clientOf(t), senderOf(t), orDash(strings.Join(t.Rcpts, ",")), orDash(connectorOf(t)),
		t.Outcome, strconv.Itoa(t.Code), orDash(t.By), orDash(t.Reply), orDash(t.RemoteID), orDash(t.MessageID))
}
