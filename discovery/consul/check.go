package consul

import (
	"context"
	"errors"
	"strings"
)

// Check asks once and returns how many connectors the pool would get, and in words
// what is wrong with single entries. The error says why the answer would not be
// believed, or not be wholly believed: no answer, or a token that may not read all.
func (s *Source) Check(ctx context.Context) (connectors int, remark string, err error) {
	a, err := s.ask(ctx, query{reader: newReader()})
	switch {
	case err != nil:
		return 0, "", errors.New(explain(err, s.cfg))
	case a.filtered && len(a.entries) == 0:
		return 0, "", errors.New(wordsHidden(s.cfg.Service))
	case a.filtered:
		return 0, "", errors.New(wordsPartlyHidden(s.cfg.Service))
	case a.denies && len(a.entries) == 0 && s.anonymous(ctx):
		return 0, "", errors.New(wordsAnonymous(s.cfg.Service))
	}
	specs, complaints := specsOf(a.entries, s.cfg.Tag)
	return len(specs), strings.Join(complaints, "; "), nil
}
