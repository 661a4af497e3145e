package jinja

// at is the template line of a node.
type at int

func (a at) line() int { return int(a) }

type node interface{ line() int }

// An expr is one of the expression nodes below.
type expr node

type (
	constExpr struct {
		at
		val any
	}
	nameExpr struct {
		at
		name string
	}
	tupleExpr struct {
		at
		items []expr
	}
	listExpr struct {
		at
		items []expr
	}
	dictExpr struct {
		at
		keys, vals []expr
	}
	attrExpr struct { // obj.name
		at
		obj  expr
		name string
	}
	itemExpr struct { // obj[index]
		at
		obj, index expr
	}
	sliceExpr struct { // obj[start:stop:step], parts may be nil
		at
		obj, start, stop, step expr
	}
	callExpr struct {
		at
		fn   expr
		args callArgs
	}
	filterExpr struct { // obj is nil when the filter takes a block's output
		at
		obj  expr
		name string
		args callArgs
	}
	testExpr struct {
		at
		obj  expr
		name string
		args callArgs
	}
	unaryExpr struct { // - + not
		at
		op string
		x  expr
	}
	binaryExpr struct { // + - * / // % ** and or
		at
		op   string
		l, r expr
	}
	compareExpr struct { // x ops[0] rest[0] ops[1] rest[1] ...
		at
		x    expr
		ops  []string
		rest []expr
	}
	concatExpr struct {
		at
		items []expr
	}
	condExpr struct { // no is nil without else
		at
		test, yes, no expr
	}
)

// callArgs are the arguments of a call, a filter or a test: positional, keyword, *star and **star2.
type callArgs struct {
	pos         []expr
	kwNames     []string
	kwVals      []expr
	star, star2 expr
}

// A stmt is one of the statement nodes below.
type stmt node

type (
	textStmt struct {
		at
		text string
	}
	outputStmt struct {
		at
		x expr
	}
	ifStmt struct {
		at
		tests  []expr
		bodies [][]stmt
		els    []stmt
	}
	forStmt struct {
		at
		target                    target
		iter, test                expr
		body, els                 []stmt
		recursive                 bool
		bodySyms, elsSyms, tstSym *symbols
	}
	setStmt struct {
		at
		target target
		val    expr
	}
	setBlockStmt struct {
		at
		target target
		filter *filterExpr
		body   []stmt
		syms   *symbols
	}
	filterStmt struct {
		at
		filter *filterExpr
		body   []stmt
		syms   *symbols
	}
	withStmt struct {
		at
		targets []target
		vals    []expr
		body    []stmt
		syms    *symbols
	}
	macroStmt struct{ *macroDef }
	callStmt  struct { // the block is passed to call as caller
		*macroDef
		call *callExpr
	}
	generationStmt struct{ *macroDef }
	breakStmt      struct{ at }
	continueStmt   struct{ at }
)

// macroDef is what a macro, a call block or a generation block defines.
type macroDef struct {
	at
	name     string // "" for blocks
	params   []string
	defaults []expr // of the last params
	body     []stmt
	syms     *symbols
	// whether the body uses the special variables of these names
	caller, kwargs, varargs bool
}

// target is what set, for and with assign to: one of nameTarget, attrTarget, tupleTarget.
type target interface{ isTarget() }

type (
	nameTarget  string
	attrTarget  struct{ obj, attr string } // of a namespace
	tupleTarget []target
)

func (nameTarget) isTarget()  {}
func (attrTarget) isTarget()  {}
func (tupleTarget) isTarget() {}
