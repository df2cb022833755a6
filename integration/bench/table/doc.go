// Package table is the benchmark's arithmetic and its Markdown: medians, ratios round by round, targets. It is pure.
package table
