package policies

import "testing"

func TestTiersAreForWhenThereIsNobody(t *testing.T) {
	for name, tt := range map[string]struct {
		full  []int // costs of those without a place
		next  int
		moved bool
		want  bool
	}{
		"at the beginning":           {nil, 10, false, false},
		"the same tier goes on":      {[]int{0}, 0, false, false},
		"the next one is not asked":  {[]int{0}, 10, false, true},
		"unless a connector failed":  {[]int{0}, 10, true, false},
		"nobody was in the first":    {nil, 20, false, false},
		"the second is full":         {[]int{10, 10}, 20, false, true},
		"moved mail that goes on":    {[]int{0, 10}, 20, true, false},
		"the last that had no place": {[]int{0, 10}, 10, false, false},
	} {
		var tiers Tiers
		for _, cost := range tt.full {
			tiers.Full(cost)
		}
		if got := tiers.End(tt.next, tt.moved); got != tt.want {
			t.Errorf("%s: ends %v, want %v", name, got, tt.want)
		}
	}
}
