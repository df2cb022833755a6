package faulty

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"strings"
	"testing"
)

func TestParametersOfExtensions(t *testing.T) {
	b := Honest()
	b.Capabilities.Extra = []string{"SMTPUTF8", "DSN", "XFORWARD NAME ADDR"}
	s := start(t, b)
	c := dial(t, s)
	c.expect("220 ")
	c.send("EHLO me\r\nMAIL FROM:<a@b> SMTPUTF8 RET=FULL\r\nRSET\r\nMAIL FROM:<a@b> REQUIRETLS\r\nXFORWARD NAME=x\r\nXCLIENT NAME=x\r\n")
	c.expect("250", "250 ", "250 ", "555 ", "250 ", "502 ")
}

func TestXCLIENTBeginsAnew(t *testing.T) {
	b := Honest()
	b.Capabilities.Extra = []string{"XCLIENT NAME"}
	s := start(t, b)
	c := dial(t, s)
	c.expect("220 ")
	c.send("EHLO me\r\n")
	c.expect("250")
	c.send("XCLIENT NAME=x\r\n")
	c.expect("220 c1")
	c.send("MAIL FROM:<a@b>\r\n")
	c.expect("503 ")
}

func TestLMTPAnswersForEach(t *testing.T) {
	b := Honest()
	b.LMTP = true
	s := start(t, b)
	c := dial(t, s)
	c.expect("220 ")
	c.send("EHLO me\r\n")
	c.expect("500 ")
	c.send("LHLO me\r\n")
	c.expect("250")
	c.send("MAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\n")
	c.expect("250 ", "250 ", "250 ")
	c.send("DATA\r\n")
	c.expect("354 ")
	c.send(".\r\nNOOP\r\n")
	c.expect("250 2.0.0 Ok: queued", "250 2.0.0 Ok: queued", "250 2.0.0 Ok")
}

func TestProxyHeaders(t *testing.T) {
	v2 := signature + "\x21\x11\x00\x0c" + "\xc0\x00\x02\x01" + "\x7f\x00\x00\x01" + "\x04\xd2\x00\x19"
	for header, want := range map[string]string{
		"PROXY TCP4 192.0.2.1 127.0.0.1 1234 25\r\n": "PROXY v1 192.0.2.1:1234 127.0.0.1:25",
		v2:                             "PROXY v2 192.0.2.1:1234 127.0.0.1:25",
		signature + "\x20\x00\x00\x00": "PROXY v2 LOCAL",
	} {
		s := start(t, Behaviour{Proxy: true})
		c := dial(t, s)
		c.send(header)
		c.expect("220 ")
		if s.Heard(want) != 1 {
			t.Errorf("%q: %v", header, s.Transcript())
		}
	}
}

func TestSTARTTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	b := Honest()
	b.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s := start(t, b)
	c := dial(t, s)
	c.expect("220 ")
	c.send("EHLO me\r\nSTARTTLS\r\n")
	c.expect("250", "220 ")
	secure := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
	if _, err := secure.Write([]byte("EHLO me\r\n")); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(secure)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, "STARTTLS") {
			t.Errorf("offered again: %q", line)
		}
		if line[3] == ' ' {
			break
		}
	}
}
