package tokencache

import "sync/atomic"

// marks are what rejections have done to a token, in four bytes: a hundred thousand
// tokens have them. Safe for concurrent use.
type marks struct{ bits atomic.Int32 }

const (
	// droppedMark: a rejection dropped the token, and nothing brought it back.
	droppedMark = 1 << 30
	countMask   = droppedMark - 1
)

func (m *marks) dropped() bool { return m.bits.Load()&droppedMark != 0 }
func (m *marks) drop()         { m.bits.Or(droppedMark) }
func (m *marks) bringBack()    { m.bits.And(countMask) }

// rejections is the number of rejections in a row, without an accepted request
// between them.
func (m *marks) rejections() int32 { return m.bits.Load() & countMask }

// reject counts another rejection, and returns their number.
func (m *marks) reject() int32 { return m.bits.Add(1) & countMask }

// accept ends the row of rejections.
func (m *marks) accept() { m.bits.And(droppedMark) }

// continues the row of rejections of another snapshot of the token.
func (m *marks) continues(other *marks) {
	m.accept()
	m.bits.Or(other.rejections())
}
