package policies

// Tiers says where an order ends for a transaction that finds connectors without a
// place. A further tier is for when there is nobody, not for when there is much to
// do: the transaction waits for a place in this one. Mail that has failed at a
// connector goes on at once. The zero value stands at the beginning of an order.
type Tiers struct {
	cost int // of the last connector that had no place
	full bool
}

// Full notes that a candidate of this cost has no place.
func (t *Tiers) Full(cost int) { t.cost, t.full = cost, true }

// End reports whether the order ends before a candidate of this cost. Moved says
// that a connector was asked already.
func (t *Tiers) End(cost int, moved bool) bool { return t.full && cost != t.cost && !moved }
