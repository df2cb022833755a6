package config

import "testing"

// Each text is accepted and becomes what stands beside it, or is refused: "-".
func TestNetworkValues(t *testing.T) {
	for _, c := range []struct {
		name  string
		parse func(string) (string, *fault)
		texts map[string]string
	}{
		{"consul.address", consulAddress, map[string]string{
			"": "", "127.0.0.1:8500": "127.0.0.1:8500", "consul.example.com:8500": "consul.example.com:8500", "[::1]:8500": "[::1]:8500",
			"https://consul.example.com:8501": "https://consul.example.com:8501", "unix:///run/consul.sock": "unix:///run/consul.sock",
			"consul.example.com": "-", "8500": "-", ":8500": "-", "127.0.0.1:0": "-", "unix://consul.sock": "-", "https://a:b@c:8501": "-", "http://": "-",
			"http://127.0.0.1:8500/": "-", "tcp://127.0.0.1:8500": "-",
		}},
		{"dns.resolver", resolverAddress, map[string]string{
			"": "", "127.0.0.1:53": "127.0.0.1:53", "[::1]:5353": "[::1]:5353",
			"127.0.0.1": "-", "::1": "-", "ns.example.com:53": "-", ":53": "-", "0.0.0.0:53": "-", "127.0.0.1:0": "-", "53": "-",
		}},
		{"dns.srv", domain, map[string]string{
			"_smtp._tcp.example.com": "_smtp._tcp.example.com", "example.com.": "example.com", "localhost": "localhost",
			"": "-", ".": "-", "a..b": "-", "a b": "-", "a/b": "-", "__a.b": "-", "_": "-",
		}},
		{"admin.hosts", host, map[string]string{
			"weir.example.com": "weir.example.com", "192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::1",
			"": "-", "weir.example.com:8025": "-", "fe80::1%eth0": "-", "[::1]": "-",
		}},
	} {
		for text, want := range c.texts {
			got, bad := c.parse(text)
			if bad != nil {
				got = "-"
			}
			if got != want {
				t.Errorf("%s %q: got %q, want %q", c.name, text, got, want)
			}
		}
	}
}
