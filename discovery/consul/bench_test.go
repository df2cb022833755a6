package consul

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"weir/discovery"
)

// plainInstance is one instance in the length that Consul gives it.
const plainInstance = `{"Node":{"ID":"8c1f4d5e-aaaa-bbbb-cccc-0123456789ab","Node":"node-%04d","Address":"10.%d.0.1","Datacenter":"dc1","TaggedAddresses":{"lan":"10.0.0.1","lan_ipv4":"10.0.0.1","wan":"10.0.0.1","wan_ipv4":"10.0.0.1"},"Meta":{"consul-network-segment":""},"CreateIndex":13,"ModifyIndex":14},` +
	`"Service":{"ID":"weir-mx-%d","Service":"mx","Tags":[],"Address":"10.0.%d.%d","TaggedAddresses":{"lan_ipv4":{"Address":"10.0.0.1","Port":25},"wan_ipv4":{"Address":"10.0.0.1","Port":25}},"Meta":{"weir_name":"mx-%d"},"Port":25,"Weights":{"Passing":100,"Warning":100},"EnableTagOverride":false,"Proxy":{"Mode":"","MeshGateway":{},"Expose":{}},"Connect":{},"CreateIndex":20,"ModifyIndex":20},` +
	`"Checks":[{"Node":"node-0","CheckID":"serfHealth","Name":"Serf Health Status","Status":"passing","Notes":"","Output":"Agent alive and reachable","ServiceID":"","ServiceName":"","ServiceTags":[],"Type":"","Interval":"","Timeout":"","ExposedPort":0,"Definition":{},"CreateIndex":13,"ModifyIndex":13},` +
	`{"Node":"node-0","CheckID":"service:weir-mx","Name":"SMTP port","Status":"passing","Notes":"","Output":"TCP connect 10.0.0.1:25: Success","ServiceID":"weir-mx","ServiceName":"mx","ServiceTags":[],"Type":"tcp","Interval":"5s","Timeout":"3s","ExposedPort":0,"Definition":{},"CreateIndex":20,"ModifyIndex":22}]}`

func plainInstances(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(plainInstance, i, i%256, i, i/256, i%256, i)
	}
	return list
}

func bodyOf(list []string) []byte { return []byte("[" + strings.Join(list, ",") + "]\n") }

// BenchmarkAnswer is what an answer of a service of 5000 costs, from Consul's bytes
// to a set that could be sent: the first one, and those of which one instance is
// another.
func BenchmarkAnswer(b *testing.B) {
	list := plainInstances(5000)
	bodies := [][]byte{bodyOf(list), nil}
	list[2500] = strings.Replace(list[2500], `"passing"`, `"critical"`, 1)
	bodies[1] = bodyOf(list)
	var m marker
	answer := func(b *testing.B, r *reader, body []byte) {
		entries, err := r.read(bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		specs, complaints := specsOf(entries, "")
		if len(specs) != len(list) || complaints != nil {
			b.Fatalf("%d specs, %q", len(specs), complaints)
		}
		m.of(&discovery.Set{Specs: specs})
	}
	measure := func(b *testing.B, next func(i int)) {
		b.ReportAllocs()
		began, n := processorTime(b), 0
		for b.Loop() {
			next(n)
			n++
		}
		b.ReportMetric(float64((processorTime(b)-began).Microseconds())/1000/float64(n), "cpu-ms/op")
	}
	b.Run("first", func(b *testing.B) {
		measure(b, func(int) { answer(b, newReader(), bodies[0]) })
	})
	b.Run("changed", func(b *testing.B) {
		r := newReader()
		measure(b, func(i int) { answer(b, r, bodies[i%2]) })
	})
}

// processorTime is what this process has used: a busy machine does not change it.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
