package pdp

import "github.com/gatehouse-authz/gatehouse/pdp/internal/eval"

// Language compiles the policies of one foreign format, such as Rego.
type Language = eval.Language

// Program is one compiled foreign policy.
type Program = eval.ForeignProgram

// ProgramExplainer is what a Program may be besides: it shows how it came to
// its answer.
type ProgramExplainer = eval.ForeignExplainer

// Opinion is what a foreign policy answers.
type Opinion = eval.Opinion
