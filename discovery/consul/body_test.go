package consul

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"
	"pgregory.net/rapid"
)

// What is remembered of the answers before changes nothing about the next one.
func TestReaderForgetsNothingAndKeepsNothing(t *testing.T) {
	plain := plainInstances(6)
	variants := []string{
		`"passing"`, `"critical"`, `"critical"},{"CheckID":"_node_maintenance","Status":"critical"`, `"warning"`, `"passing","Extra":[{"a":null}]`, `"critical","Output":"\u001b[2J \"}{"`,
	}
	rapid.Check(t, func(t *rapid.T) {
		r := newReader()
		for range rapid.IntRange(1, 4).Draw(t, "answers") {
			var list []string
			for _, i := range rapid.SliceOf(rapid.IntRange(0, len(plain)-1)).Draw(t, "instances") {
				list = append(list, strings.Replace(plain[i], variants[0], rapid.SampledFrom(variants).Draw(t, "status"), 1))
			}
			body := bodyOf(list)
			var want []entry
			if err := json.Unmarshal(body, &want); err != nil {
				t.Fatal(err)
			}
			got, err := r.read(bytes.NewReader(body))
			if err != nil || len(got) != len(want) {
				t.Fatalf("%d entries of %d, %v", len(got), len(want), err)
			}
			gotSpecs, gotWords := specsOf(got, "")
			wantSpecs, wantWords := specsOf(want, "")
			if !reflect.DeepEqual(gotSpecs, wantSpecs) || !reflect.DeepEqual(gotWords, wantWords) {
				t.Fatalf("got  %+v %q\nwant %+v %q", gotSpecs, gotWords, wantSpecs, wantWords)
			}
			for i := range gotSpecs { // they belong to whoever got them
				gotSpecs[i].Name = "spoilt"
				if gotSpecs[i].Meta != nil {
					gotSpecs[i].Meta["spoilt"] = "yes"
				}
			}
		}
	})
}

func TestReaderIsLenient(t *testing.T) {
	for body, want := range map[string]int{
		`null`: 0, ` [ ] `: 0,
		"[{\"Node\":{\"Node\":\"\xff\",\"Node\":\"n\"},\"Checks\":null}]": 1,
	} {
		if got, err := newReader().read(strings.NewReader(body)); err != nil || len(got) != want {
			t.Errorf("%q: %d entries, %v", body, len(got), err)
		}
	}
	for _, body := range []string{``, `[`, `[{]`, `{}`, `[{"Checks":7}]`, `[{},`, `"x"`, `[7]`} {
		if got, err := newReader().read(strings.NewReader(body)); err == nil {
			t.Errorf("%q: %d entries", body, len(got))
		}
	}
}

// A client that was made without the transport serves as well.
func TestClientWithoutTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		a.body = instances(t, "a", "b")
		client, err := api.NewClient(&api.Config{Address: "127.0.0.1:8500", HttpClient: &http.Client{Transport: a}})
		if err != nil {
			t.Fatal(err)
		}
		sets := followWith(t, client)
		if set := next(t, sets, time.Second); namesOf(set) != "a b" || set.Doubt != "" {
			t.Errorf("got %+v", set)
		}
	})
}
