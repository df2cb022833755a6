package gate

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strconv"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"
)

// more takes in what v2 has behind the addresses: section 2.2 of the specification.
func (p *Proxied) more(header *proxyproto.Header, raw []byte) error {
	tlvs, err := header.TLVs()
	if err != nil {
		return &ProxyError{ProxyMalformed, words(err)}
	}
	for _, tlv := range tlvs {
		switch tlv.Type {
		case proxyproto.PP2_TYPE_CRC32C:
			if !intact(raw, tlv.Value) {
				return &ProxyError{ProxyMalformed, errors.New("its checksum is wrong")}
			}
		case proxyproto.PP2_TYPE_ALPN:
			p.ALPN = printable(string(tlv.Value))
		case proxyproto.PP2_TYPE_AUTHORITY:
			p.Authority = printable(string(tlv.Value))
		case proxyproto.PP2_TYPE_UNIQUE_ID:
			p.UniqueID = printable(string(tlv.Value))
		case proxyproto.PP2_TYPE_SSL:
			ssl, err := tlvparse.SSL(tlv)
			if err != nil {
				return &ProxyError{ProxyMalformed, words(err)}
			}
			p.tls(ssl)
		}
	}
	return nil
}

// tls takes in what is said of the client's TLS. Without the bit that says that there
// is any, the rest means nothing (section 2.2.6).
func (p *Proxied) tls(ssl tlvparse.PP2SSL) {
	if !ssl.ClientSSL() {
		return
	}
	said := func(s string, _ bool) string { return printable(s) }
	p.TLS, p.Cipher, p.CN = said(ssl.SSLVersion()), said(ssl.SSLCipher()), said(ssl.ClientCN())
	// Verify is 0 as well where there was no certificate.
	p.Verified = (ssl.ClientCertConn() || ssl.ClientCertSess()) && ssl.Verify == 0
}

// intact checks the CRC-32c of a header, which is made with zeros in its own place
// (section 2.2.4).
func intact(raw, sum []byte) bool {
	if len(sum) != 4 {
		return false
	}
	at := sumAt(raw)
	if at < 0 {
		return false
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	got := crc32.Update(0, table, raw[:at])
	got = crc32.Update(got, table, make([]byte, 4))
	got = crc32.Update(got, table, raw[at+4:])
	return got == binary.BigEndian.Uint32(sum)
}

// sumAt finds the checksum's value in a header; -1: there is none of four octets.
func sumAt(raw []byte) int {
	at := prefixV2
	switch raw[13] >> 4 { // how long the addresses are
	case 1:
		at += 12
	case 2:
		at += 36
	case 3:
		at += 216
	}
	for at+3 <= len(raw) {
		long := int(binary.BigEndian.Uint16(raw[at+1:]))
		if proxyproto.PP2Type(raw[at]) == proxyproto.PP2_TYPE_CRC32C && long == 4 && at+3+long <= len(raw) {
			return at + 3
		}
		at += 3 + long
	}
	return -1
}

// longest is how much of a proxy's word is kept.
const longest = 256

// printable makes a proxy's word fit for a log: the proxy is trusted, but hands on
// what clients say.
func printable(s string) string {
	s = s[:min(len(s), longest)]
	q := strconv.QuoteToASCII(s)
	return q[1 : len(q)-1]
}
