package sim
import ("testing";"time";"strings";"github.com/goccy/go-yaml/lexer";"github.com/goccy/go-yaml/parser")
func TestZZLex(t *testing.T){
 for name,f:=range map[string]func(n int)string{
 "[":func(n int)string{return strings.Repeat("[",n)},
 "{a: ":func(n int)string{return strings.Repeat("{a: ",n)},
 "{":func(n int)string{return strings.Repeat("{",n)},
 "- ":func(n int)string{return strings.Repeat("- ",n)},
 "? ":func(n int)string{return strings.Repeat("? ",n)},
 "&a ":func(n int)string{return "x: "+strings.Repeat("&a ",n)},
 "!a ":func(n int)string{return "x: "+strings.Repeat("!a ",n)},
 "a: ":func(n int)string{return strings.Repeat("a: ",n)},
 "],":func(n int)string{return "x: ["+strings.Repeat("[],",n)+"]"},
 "indent":func(n int)string{var b strings.Builder; for i:=range n/100 {b.WriteString(strings.Repeat(" ",i)+"a:\n")}; return b.String()},
 "flat":func(n int)string{return "x:\n"+strings.Repeat("  - a\n",n)},
 "flatmap":func(n int)string{return "x:\n"+strings.Repeat("  b: a\n",n)},
 "flow":func(n int)string{return "x: ["+strings.Repeat("a, ",n)+"]"},
 "quote":func(n int)string{return "x: \""+strings.Repeat("a",n)+"\""},
 "block":func(n int)string{return "x: |\n"+strings.Repeat("  aaaa\n",n)},
 "plain":func(n int)string{return "x: a\n"+strings.Repeat("  aaaa\n",n)},
 "comment":func(n int)string{return strings.Repeat("# aaaa\n",n)},
 "docs":func(n int)string{return strings.Repeat("---\n",n)},
 "colon":func(n int)string{return strings.Repeat(":",n)},
 }{
  var tl, tp [2]time.Duration
  for k,n:=range []int{50000,200000}{
   s:=f(n)
   b:=time.Now(); toks:=lexer.Tokenize(s); tl[k]=time.Since(b)
   b=time.Now(); if name=="flatmap"||name=="flow"||name=="]," {_,_=parser.Parse(toks, 0, parser.AllowDuplicateMapKey())}; tp[k]=time.Since(b)
  }
  t.Logf("%8s lex %v %v  parse %v %v", name, tl[0],tl[1],tp[0],tp[1])
 }
}
