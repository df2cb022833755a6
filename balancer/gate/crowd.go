package gate

// crowd orders the networks by how many of theirs are inside, so that the heaviest
// is known at any time. All of its steps take the same short time, however many
// there are: a network is in the list of those with as many visits, and one visit
// more or less moves it to the list beside.
type crowd[S any] struct {
	networks table[*network[S]]
	byCount  []list[network[S], *network[S]] // [n]: those with n visits; [0] stays empty
	heaviest int                             // the highest n with a network; 0: there are none
	spare    []*network[S]                   // without visits
}

// network is where visits come from. Those that are being shed are not in it.
type network[S any] struct {
	links[network[S]]
	key   key
	count int
	idle  list[Visit[S], *Visit[S]] // at a boundary, the longest first
	busy  list[Visit[S], *Visit[S]] // in a transaction, the longest first
}

// spares is how many networks are kept for the next ones.
const spares = 64

// looks is how many networks of the same weight are looked through for a visit that
// is at a boundary, before one in a transaction has to go.
const looks = 8

func newCrowd[S any]() *crowd[S] {
	return &crowd[S]{networks: newTable[*network[S]](), byCount: make([]list[network[S], *network[S]], 1)}
}

// count is how many visits of that network are inside.
func (c *crowd[S]) count(k key) int {
	if n := c.networks.get(k); n != nil {
		return n.count
	}
	return 0
}

// add takes a visit in, at a boundary.
func (c *crowd[S]) add(v *Visit[S], k key) {
	n := c.networks.get(k)
	if n == nil {
		n = c.fresh(k)
		c.networks.set(k, n)
	}
	v.network, v.idle = n, true
	n.idle.push(v)
	c.weigh(n, 1)
}

// fresh makes a network, of one that nobody needs any more where there is one.
func (c *crowd[S]) fresh(k key) *network[S] {
	last := len(c.spare) - 1
	if last < 0 {
		return &network[S]{key: k}
	}
	n := c.spare[last]
	c.spare[last] = nil
	c.spare = c.spare[:last]
	n.key = k
	return n
}

// remove takes a visit out.
func (c *crowd[S]) remove(v *Visit[S]) {
	n := v.network
	v.network = nil
	n.of(v.idle).remove(v)
	c.weigh(n, -1)
}

func (n *network[S]) of(idle bool) *list[Visit[S], *Visit[S]] {
	if idle {
		return &n.idle
	}
	return &n.busy
}

// weigh moves a network to its place after one visit more or less.
func (c *crowd[S]) weigh(n *network[S], by int) {
	if n.count > 0 {
		c.byCount[n.count].remove(n)
	}
	n.count += by
	if n.count == 0 {
		c.networks.drop(n.key)
		if len(c.spare) < spares {
			c.spare = append(c.spare, n)
		}
	} else {
		if n.count == len(c.byCount) {
			c.byCount = append(c.byCount, list[network[S], *network[S]]{})
		}
		c.byCount[n.count].push(n)
	}
	if n.count > c.heaviest || c.byCount[c.heaviest].first == nil {
		c.heaviest = n.count
	}
}

// victim returns the visit that is the first to go: of a network that none is
// heavier than, one at a boundary, for the longest time; failing that, the one that
// has begun its transaction last. nil: nobody is here.
func (c *crowd[S]) victim() *Visit[S] {
	n := c.byCount[c.heaviest].first
	if n == nil {
		return nil
	}
	for at, i := n, 0; at != nil && i < looks; at, i = at.next, i+1 {
		if at.idle.first != nil {
			return at.idle.first
		}
	}
	return n.busy.last
}
