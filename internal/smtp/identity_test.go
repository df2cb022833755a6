package smtp

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

func TestParseIdentity(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	tests := []struct {
		arg  string
		want Identity
	}{
		{"ADDR=192.0.2.1", Identity{Known: AttrAddr, Addr: v4}},
		{"addr=IPV6:2001:DB8::1 port=4242", Identity{Known: AttrAddr | AttrPort, Addr: v6, Port: 4242}},
		{"ADDR=2001:db8::1", Identity{Known: AttrAddr, Addr: v6}},
		{"ADDR=IPV6:::ffff:192.0.2.1", Identity{Known: AttrAddr, Addr: v4}},
		{"NAME=mx.example.org HELO=[192.0.2.1]", Identity{Known: AttrName | AttrHelo, Name: "mx.example.org", Helo: "[192.0.2.1]"}},
		{"NAME=[UNAVAILABLE]  ADDR=[unavailable]", Identity{Unknown: AttrName | AttrAddr}},
		{"NAME=[TEMPUNAVAIL]", Identity{Unknown: AttrName, NameTempErr: true}},
		{"PROTO=esmtp HELO=a+2Db", Identity{Known: AttrProto | AttrHelo, Proto: "ESMTP", Helo: "a-b"}},
		{"HELO=a+20(b)", Identity{Unknown: AttrHelo}}, // a client's own words: nobody's error
	}
	for _, test := range tests {
		for _, parse := range []func([]byte) (Identity, error){ParseXClient, ParseXForward} {
			if got, err := parse([]byte(test.arg)); err != nil || got != test.want {
				t.Errorf("%q: %+v, %v; want %+v", test.arg, got, err, test.want)
			}
		}
	}
	only := Identity{Known: AttrLogin | AttrDestAddr | AttrDestPort, Login: "jürgen", DestAddr: v6, DestPort: 25}
	arg := []byte("LOGIN=j+C3+BCrgen DESTADDR=IPV6:2001:db8::1 DESTPORT=25")
	if got, err := ParseXClient(arg); err != nil || got != only {
		t.Errorf("%+v, %v", got, err)
	}
	_, err := ParseXForward(arg)
	wantSyntax(t, "XCLIENT's attributes in XFORWARD", err, 501, "5.5.4")
	only = Identity{Known: AttrIdent | AttrSource, Ident: "4XyZ", Local: true}
	arg = []byte("IDENT=4XyZ SOURCE=local")
	if got, err := ParseXForward(arg); err != nil || got != only {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = ParseXClient(arg)
	wantSyntax(t, "XFORWARD's attributes in XCLIENT", err, 501, "5.5.4")
}

func TestParseBadIdentity(t *testing.T) {
	for _, arg := range []string{
		"", " ", "ADDR", "ADDR=", "ADDR=1.2.3", "ADDR=IPV6:192.0.2.1", "ADDR=IPV6:fe80::1%25eth0", "ADDR=fe80::1+25eth0", "ADDR=[TEMPUNAVAIL]", "PORT=-1", "PORT=65536", "PORT=smtp", "PROTO=LMTP",
		"NAME=a+20b", "NAME=a+", "NAME=a+0Ab", "NAME=" + strings.Repeat("a", 256), "X=1", "=1", "ADDR=192.0.2.1 addr=192.0.2.2", "NAME=[UNAVAILABLE] NAME=a",
		"LOGIN=a+0D+0AMAIL", "LOGIN=+FF", "DESTPORT=x", "DESTADDR=x", "REVERSE_NAME=a",
	} {
		_, err := ParseXClient([]byte(arg))
		wantSyntax(t, "XCLIENT "+arg, err, 501, "5.5.4")
	}
	for _, arg := range []string{"SOURCE=ELSEWHERE", "SOURCE=", "IDENT=", "IDENT=a+00b"} {
		_, err := ParseXForward([]byte(arg))
		wantSyntax(t, "XFORWARD "+arg, err, 501, "5.5.4")
	}
}

func TestIdentityMerge(t *testing.T) {
	var id Identity
	for _, arg := range []string{
		"NAME=a.example ADDR=192.0.2.1 PORT=1 LOGIN=x", "HELO=h NAME=[TEMPUNAVAIL] DESTADDR=192.0.2.9 DESTPORT=25", "PROTO=SMTP PORT=2 LOGIN=[UNAVAILABLE]",
	} {
		next, err := ParseXClient([]byte(arg))
		if err != nil {
			t.Fatal(err)
		}
		id.Merge(&next)
	}
	next, err := ParseXForward([]byte("IDENT=4X SOURCE=LOCAL"))
	if err != nil {
		t.Fatal(err)
	}
	id.Merge(&next)
	want := Identity{
		Known:   AttrAddr | AttrPort | AttrHelo | AttrProto | AttrDestAddr | AttrDestPort | AttrIdent | AttrSource,
		Unknown: AttrName | AttrLogin, NameTempErr: true,
		Addr: netip.MustParseAddr("192.0.2.1"), Port: 2, Helo: "h", Proto: "SMTP",
		DestAddr: netip.MustParseAddr("192.0.2.9"), DestPort: 25, Ident: "4X", Local: true,
	}
	if id != want {
		t.Errorf("together %+v\nwant     %+v", id, want)
	}
}

func FuzzIdentity(f *testing.F) {
	for _, arg := range []string{
		"ADDR=192.0.2.1 PORT=25", "NAME=mx.example.org ADDR=IPV6:2001:db8::1 HELO=[192.0.2.1] PROTO=ESMTP", "NAME=[TEMPUNAVAIL] ADDR=[UNAVAILABLE]",
		"LOGIN=j+C3+BCrgen DESTADDR=192.0.2.1 DESTPORT=25", "IDENT=4XyZ SOURCE=LOCAL", "HELO=a+20b",
	} {
		f.Add([]byte(arg))
	}
	f.Fuzz(func(t *testing.T, arg []byte) {
		if id, err := ParseXClient(arg); err != nil {
			checkRefusal(t, arg, err)
		} else {
			checkIdentity(t, arg, id, ParseXClient)
		}
		if id, err := ParseXForward(arg); err != nil {
			checkRefusal(t, arg, err)
		} else {
			checkIdentity(t, arg, id, ParseXForward)
		}
	})
}

// checkIdentity says once more what was understood, an attribute a command.
func checkIdentity(t failer, arg []byte, id Identity, parse func([]byte) (Identity, error)) {
	t.Helper()
	var got Identity
	for _, one := range attributeNames {
		if (id.Known|id.Unknown)&one.attr == 0 {
			continue
		}
		line := AppendXtext([]byte("XCLIENT "+one.name+"="), id.text(one.attr))
		if id.Unknown&one.attr != 0 {
			line = []byte("XCLIENT " + one.name + "=" + unavailable)
			if one.attr == AttrName && id.NameTempErr {
				line = []byte("XCLIENT " + one.name + "=" + tempUnavail)
			}
		}
		next, err := parse(checkLine(t, arg, append(line, crlf...), false))
		if err != nil {
			t.Fatalf("%q became %q: %v", arg, line, err)
		}
		got.Merge(&next)
	}
	if got != id || id.Known&id.Unknown != 0 {
		t.Fatalf("%q is %+v, said again it is %+v", arg, id, got)
	}
}

// text is a value as it would be sent.
func (id *Identity) text(attr Attributes) string {
	addr := map[Attributes]netip.Addr{AttrAddr: id.Addr, AttrDestAddr: id.DestAddr}[attr]
	switch {
	case addr.Is6():
		return "IPV6:" + addr.String()
	case addr.IsValid():
		return addr.String()
	case attr == AttrSource && id.Local:
		return "LOCAL"
	case attr == AttrSource:
		return "REMOTE"
	}
	return map[Attributes]string{
		AttrName: id.Name, AttrHelo: id.Helo, AttrProto: id.Proto, AttrLogin: id.Login, AttrIdent: id.Ident,
		AttrPort: strconv.Itoa(int(id.Port)), AttrDestPort: strconv.Itoa(int(id.DestPort)),
	}[attr]
}
