// Package consumer is like an operator's program. It uses every provider
// package from another module. It does not compile if a package lacks a part of
// the common API.
package consumer
