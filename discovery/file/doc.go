// Package file tells the connectors that stand in a file of their own, which
// people and config management may change at any time.
//
// It owns the watch: notices of the kernel for the file's directory (editors and
// config management put a new file in the place of the old one, or swap a
// symbolic link, so a watch of the file itself would see nothing), and a look
// every ten seconds for file systems that give no notice. What stands in the file
// is read by the function it is given, as it is the config's syntax.
//
// A list passes through it so: notice or clock → the whole file is read → if it
// is another one than before: parsed → told as a set. A file that is missing,
// unreadable or wrong takes nothing away: that is told as doubt, with the reason,
// until the file is right again. It never writes.
package file
