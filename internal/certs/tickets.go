package certs

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// maxTickets bounds how many keys are tried with a ticket.
const maxTickets = 16

// makeTickets reads the keys of session tickets, one a line; blank lines and those
// that begin with # are skipped. The first encrypts, all decrypt: a new one is put
// in front, and the last taken away, by turns and everywhere alike. No error says
// anything of a key.
func makeTickets(content ...[]byte) ([][32]byte, error) {
	var keys [][32]byte
	number := 0
	for line := range bytes.Lines(content[0]) {
		number++
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' {
			continue
		}
		key, err := ticketKey(text)
		if err != nil {
			return nil, fmt.Errorf("line %d of ticket_keys: %w: make one by `openssl rand -base64 32`", number, err)
		}
		keys = append(keys, key)
	}
	switch {
	case len(keys) == 0:
		return nil, errors.New("it holds no key: ticket_keys wants one a line, made by `openssl rand -base64 32`")
	case len(keys) > maxTickets:
		return nil, fmt.Errorf("it holds %d keys: ticket_keys may have %d at the most, take away the last ones", len(keys), maxTickets)
	}
	return keys, nil
}

func ticketKey(text string) (key [32]byte, err error) {
	raw, err := hex.DecodeString(text)
	if len(text) != hex.EncodedLen(len(key)) || err != nil {
		raw, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	}
	switch {
	case err != nil:
		return key, errors.New("neither base64 nor hex")
	case len(raw) != len(key):
		return key, fmt.Errorf("a key of %d octets, not of %d", len(raw), len(key))
	}
	return [32]byte(raw), nil
}
