package update

import (
	"fmt"
	"strconv"
	"strings"

	"weir/dns"
)

// stamp is what the TXT at [dns.EpochName] says: "epoch=7 writer=9f2c61d0 change=12".
// The number alone would not do: two writers that raise it at once, of whom one lost
// its answer, would both believe that it is theirs. The zero stamp: there is none yet.
type stamp struct {
	epoch  dns.Epoch
	writer string // who began this epoch; empty when only a number stands there
	change uint64 // counts the changes of this epoch
}

func (s stamp) String() string {
	if s.writer == "" {
		return fmt.Sprintf("epoch=%d", s.epoch)
	}
	return fmt.Sprintf("epoch=%d writer=%s change=%d", s.epoch, s.writer, s.change)
}

// parseStamp reads one; false for a text that is none.
func parseStamp(text string) (stamp, bool) {
	number, rest, _ := strings.Cut(text, " ")
	digits, ok := strings.CutPrefix(number, "epoch=")
	epoch, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil || epoch == 0 {
		return stamp{}, false
	}
	s := stamp{epoch: dns.Epoch(epoch)}
	if rest != "" {
		if _, err := fmt.Sscanf(rest, "writer=%s change=%d", &s.writer, &s.change); err != nil {
			return stamp{}, false
		}
	}
	return s, s.String() == text // or a prerequisite made of it would never hold
}

// ownerPrefix begins the TXT at [dns.OwnerName].
const ownerPrefix = "owner="

// ownerOf is the owner that the TXT records beside a name speak of. A text that is
// not ours to understand comes back quoted, which no owner's name is.
func ownerOf(texts []string) string {
	if len(texts) == 1 {
		if owner, ok := strings.CutPrefix(texts[0], ownerPrefix); ok && owner != "" {
			return owner
		}
	}
	return fmt.Sprintf("%q", texts)
}
