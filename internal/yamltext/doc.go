// Package yamltext parses the YAML that people write: the config and scenarios. It
// bounds what it hands to the parser, which takes time and memory by the square of
// how deep values are nested and of how many keys a mapping has: a hundred thousand
// brackets would cost it a minute and 16 GB.
//
// The text is taken apart into tokens first, which costs little whatever it holds;
// what is beyond the bounds is refused then, with its place. It is a room of its own
// because the config and the simulator read YAML and must not import each other.
//
// The package says nothing of what the values mean.
package yamltext
