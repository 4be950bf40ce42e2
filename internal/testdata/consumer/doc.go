// Package consumer is a program as an operator of the SDK has it: it uses every
// provider package from another module, and does not compile where one of them
// has left what they have in common.
package consumer
