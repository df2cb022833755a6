package config

import (
	"slices"
	"strings"

	"weir/internal/meant"
)

// section is the rule for a mapping with a table of its own.
func section(keys ...field) rule {
	return rule{
		keys: keys,
		read: func(d *decoder, v value) { d.section(v, keys) },
		show: func(whole bool) *node { return showKeys(keys, whole) },
	}
}

// optional is the rule for a section that is off while it is absent. Where it
// stands twice, in a pool and in pool_defaults, keys of the first are laid over
// those of the second.
func optional[T any](dst **T, fresh T, keys func(*T) []field) rule {
	return rule{
		keys: keys(new(T)),
		read: func(d *decoder, v value) {
			into := fresh
			if *dst != nil {
				into = **dst // a copy: that of pool_defaults is shared
			}
			d.section(v, keys(&into))
			*dst = &into
		},
		show: func(whole bool) *node {
			if *dst == nil {
				return nil
			}
			n := showKeys(keys(*dst), true)
			if !whole {
				n = n.without(showKeys(keys(&fresh), true))
			}
			return n
		},
	}
}

// scalar is the rule for a single value; parse says what is wrong with a text.
func scalar[T any](dst *T, parse func(string) (T, *fault)) rule {
	read := func(d *decoder, v value) {
		text, ok := d.text(v)
		if !ok {
			return
		}
		got, bad := parse(text)
		if bad != nil {
			d.report(v.at, v.path, bad)
			return
		}
		*dst = got
	}
	return rule{read: read, show: func(bool) *node { return &node{text: written(*dst)} }}
}

// ifSet shows nothing for a zero value. It is for keys of which a file has one
// or the other.
func ifSet[T comparable](dst *T, r rule) rule {
	show := r.show
	r.show = func(whole bool) *node {
		var zero T
		if *dst == zero {
			return nil
		}
		return show(whole)
	}
	return r
}

// scalars is the rule for a list of single values; it replaces the default.
func scalars[T any](dst *[]T, parse func(string) (T, *fault)) rule {
	read := func(d *decoder, v value) {
		items, ok := d.list(v)
		if !ok {
			return
		}
		var all []T // nil for an empty list, as for one that is left out
		if len(items) > 0 {
			all = make([]T, len(items))
		}
		for i, item := range items {
			scalar(&all[i], parse).read(d, item)
		}
		*dst = all
	}
	return rule{read: read, show: func(bool) *node {
		texts := make([]string, len(*dst))
		for i, v := range *dst {
			texts[i] = written(v)
		}
		return &node{text: "[" + strings.Join(texts, ", ") + "]"}
	}}
}

// choice is a word that a key may have, and what it stands for.
type choice[T comparable] struct {
	word  string
	value T
}

// oneOf is the rule for a key with a fixed set of words.
func oneOf[T comparable](dst *T, choices []choice[T]) rule {
	words := make([]string, len(choices))
	for i, c := range choices {
		words[i] = c.word
	}
	r := scalar(dst, func(text string) (T, *fault) {
		if i := slices.Index(words, text); i >= 0 {
			return choices[i].value, nil
		}
		var none T
		remedy := "use " + quoted(words...)
		if best := meant.Word(text, words); best != "" {
			remedy = "did you mean " + quoted(best) + "? " + remedy
		}
		return none, faultf(remedy, "%q is not one of its values", text)
	})
	r.show = func(bool) *node {
		i := slices.IndexFunc(choices, func(c choice[T]) bool { return c.value == *dst })
		return &node{text: written(words[max(i, 0)])}
	}
	return r
}

// word is [oneOf] for words that stand for themselves.
func word(dst *string, words []string) rule {
	choices := make([]choice[string], len(words))
	for i, w := range words {
		choices[i] = choice[string]{w, w}
	}
	return oneOf(dst, choices)
}
