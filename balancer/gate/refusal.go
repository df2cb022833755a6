package gate

// Reason is why somebody was refused: a word for logs and metrics.
type Reason string

// The reasons.
const (
	TooMany      Reason = "connections" // the listener is full
	TooManyPerIP Reason = "per-ip"      // of this address
	TooOften     Reason = "rate-per-ip" // from this address
	Denied       Reason = "denied"      // by the lists
	MadeRoom     Reason = "made-room"   // shed for a client of a lighter network
)

// Refusal is how a client is turned away. The connection is closed behind the reply.
type Refusal struct {
	Reason   Reason
	Code     int
	Enhanced [3]uint16 // RFC 3463: class, subject, detail
	Text     string
}

// Refuse returns the reply that goes with a reason (P1: what passes is never
// refused for good).
func Refuse(why Reason) Refusal {
	r := Refusal{Reason: why, Code: 421}
	switch why {
	case TooManyPerIP:
		r.Enhanced, r.Text = [3]uint16{4, 7, 0}, "Too many connections from your address, try again later"
	case TooOften:
		r.Enhanced, r.Text = [3]uint16{4, 7, 0}, "You connect too often, try again later"
	case Denied:
		r.Code, r.Enhanced, r.Text = 554, [3]uint16{5, 7, 1}, "Access denied: this server takes no mail from your address"
	case MadeRoom:
		r.Enhanced, r.Text = [3]uint16{4, 3, 2}, "Too many connections from your network, try again later"
	default:
		r.Enhanced, r.Text = [3]uint16{4, 3, 2}, "Too many connections, try again later"
	}
	return r
}

// refused is zero for those who are let in.
func (r Refusal) refused() bool { return r.Code != 0 }
