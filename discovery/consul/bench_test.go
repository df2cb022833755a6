package consul

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"weir/discovery"
)

// plainInstance is one instance in the length that Consul gives it.
const plainInstance = `{"Node":{"ID":"8c1f4d5e-aaaa-bbbb-cccc-0123456789ab","Node":"node-%04d","Address":"10.%d.0.1","Datacenter":"dc1","TaggedAddresses":{"lan":"10.0.0.1","lan_ipv4":"10.0.0.1","wan":"10.0.0.1","wan_ipv4":"10.0.0.1"},"Meta":{"consul-network-segment":""},"CreateIndex":13,"ModifyIndex":14},` +
	`"Service":{"ID":"weir-mx-%d","Service":"mx","Tags":[],"Address":"10.0.%d.%d","TaggedAddresses":{"lan_ipv4":{"Address":"10.0.0.1","Port":25},"wan_ipv4":{"Address":"10.0.0.1","Port":25}},"Meta":{"weir_name":"mx-%d"},"Port":25,"Weights":{"Passing":100,"Warning":100},"EnableTagOverride":false,"Proxy":{"Mode":"","MeshGateway":{},"Expose":{}},"Connect":{},"CreateIndex":20,"ModifyIndex":20},` +
	`"Checks":[{"Node":"node-0","CheckID":"serfHealth","Name":"Serf Health Status","Status":"passing","Notes":"","Output":"Agent alive and reachable","ServiceID":"","ServiceName":"","ServiceTags":[],"Type":"","Interval":"","Timeout":"","ExposedPort":0,"Definition":{},"CreateIndex":13,"ModifyIndex":13},` +
	`{"Node":"node-0","CheckID":"service:weir-mx","Name":"SMTP port","Status":"passing","Notes":"","Output":"TCP connect 10.0.0.1:25: Success","ServiceID":"weir-mx","ServiceName":"mx","ServiceTags":[],"Type":"tcp","Interval":"5s","Timeout":"3s","ExposedPort":0,"Definition":{},"CreateIndex":20,"ModifyIndex":22}]}`

// BenchmarkAnswer is what one change of a service of 5000 costs, from Consul's
// bytes to a set that could be sent.
func BenchmarkAnswer(b *testing.B) {
	list := make([]string, 5000)
	for i := range list {
		list[i] = fmt.Sprintf(plainInstance, i, i%256, i, i/256, i%256, i)
	}
	body := []byte("[" + strings.Join(list, ",") + "]")
	b.ReportAllocs()
	for b.Loop() {
		var entries []entry
		if err := json.NewDecoder(bytes.NewReader(body)).Decode(&entries); err != nil {
			b.Fatal(err)
		}
		specs, complaints := specsOf(entries, "")
		if len(specs) != len(list) || complaints != nil {
			b.Fatalf("%d specs, %q", len(specs), complaints)
		}
		markOf(&discovery.Set{Specs: specs})
	}
}
