package tokenizer

import (
	"errors"
	"fmt"
	"math"
)

// pieceType is what a SentencePiece vocabulary says of a piece; GGUF uses the same numbers.
type pieceType int32

const (
	pieceNormal      pieceType = 1
	pieceUnknown     pieceType = 2
	pieceControl     pieceType = 3
	pieceUserDefined pieceType = 4
	pieceUnused      pieceType = 5
	pieceByte        pieceType = 6
)

// spmFile is a SentencePiece ModelProto, as far as it is used.
// https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
type spmFile struct {
	pieces []spmPiece

	modelType                         uint64 // 1 unigram, 2 BPE, 3 word, 4 char
	byteFallback, whitespaceAsSuffix  bool
	bosPiece, eosPiece, padPiece, unk string
	charsmap                          []byte // the precompiled normalization map
	dummyPrefix, removeExtra, escape  bool
	denormalizes                      bool
}

type spmPiece struct {
	text  string
	score float32
	kind  pieceType
}

// FromSentencePiece reads a SentencePiece tokenizer.model of type BPE. cfg is what
// stands beside it; a zero Config will do.
//
// Control and unknown pieces written out in a text are recognised, as if they were added tokens;
// SentencePiece itself does not do that. Unless cfg says otherwise a text gets the BOS token in front and
// no EOS, as with Llama.
func FromSentencePiece(data []byte, cfg Config) (*Tokenizer, error) {
	t, err := fromSentencePiece(data, cfg)
	if err != nil {
		return nil, fmt.Errorf("tokenizer.model: %w", err)
	}
	return t, nil
}

func fromSentencePiece(data []byte, cfg Config) (*Tokenizer, error) {
	f, err := readSPM(data)
	if err != nil {
		return nil, err
	}
	if f.modelType != 2 {
		names := map[uint64]string{1: "unigram", 3: "word", 4: "char"}
		return nil, fmt.Errorf("trainer_spec.model_type: %d (%s) is not supported, only 2 (bpe)", f.modelType, names[f.modelType])
	}
	if f.denormalizes {
		return nil, errors.New("denormalizer_spec.precompiled_charsmap: not supported")
	}
	if f.whitespaceAsSuffix {
		return nil, errors.New("trainer_spec.treat_whitespace_as_suffix: not supported")
	}
	v := spmVocab{
		pieces: f.pieces, userDefinedInside: true, fallback: f.byteFallback,
		dummyPrefix: f.dummyPrefix, removeExtra: f.removeExtra, escape: f.escape, legacy: isTrue(cfg.Legacy),
	}
	if len(f.charsmap) > 0 {
		if v.chars, err = newCharsmap(f.charsmap); err != nil {
			return nil, fmt.Errorf("normalizer_spec.precompiled_charsmap: %w", err)
		}
	}
	if cfg.AddPrefixSpace != nil {
		v.dummyPrefix = *cfg.AddPrefixSpace
	}
	if cfg.AddBOS == nil {
		yes := true
		cfg.AddBOS = &yes
	}
	own := Config{Special: map[string]string{}}
	for name, text := range map[string]string{"bos_token": f.bosPiece, "eos_token": f.eosPiece, "pad_token": f.padPiece, "unk_token": f.unk} {
		own.Special[name] = text
	}
	kinds := map[string]pieceType{}
	for i, p := range f.pieces {
		if p.kind == pieceByte && !f.byteFallback {
			return nil, fmt.Errorf("pieces[%d]: byte piece, but trainer_spec.byte_fallback is off", i)
		}
		kinds[p.text] = p.kind
	}
	for name, text := range own.Special {
		// The file names all four even where the vocabulary does not have them.
		if k := kinds[text]; k != pieceControl && k != pieceUnknown {
			delete(own.Special, name)
		}
	}
	for name, text := range cfg.Special {
		own.Special[name] = text
	}
	cfg.Special = own.Special
	return v.tokenizer(cfg)
}

func readSPM(data []byte) (*spmFile, error) {
	f := &spmFile{
		modelType: 1, dummyPrefix: true, removeExtra: true, escape: true, // the schema's defaults
		unk: "<unk>", bosPiece: "<s>", eosPiece: "</s>", padPiece: "<pad>",
	}
	err := readWire(data, func(w wireField) error {
		switch w.number {
		case 1:
			return f.piece(w)
		case 2:
			return submessage(w, "trainer_spec", f.trainer)
		case 3:
			return submessage(w, "normalizer_spec", f.normalizer)
		case 5:
			return submessage(w, "denormalizer_spec", func(w wireField) error {
				f.denormalizes = f.denormalizes || w.number == 2 && len(w.data) > 0
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(f.pieces) == 0 {
		return nil, errors.New("no pieces: not a SentencePiece model")
	}
	return f, nil
}

func submessage(w wireField, name string, yield func(w wireField) error) error {
	if err := w.expect(wireBytes, name); err != nil {
		return err
	}
	if err := readWire(w.data, yield); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (f *spmFile) piece(w wireField) error {
	p := spmPiece{kind: pieceNormal}
	name := fmt.Sprintf("pieces[%d]", len(f.pieces))
	err := submessage(w, name, func(w wireField) error {
		switch w.number {
		case 1:
			p.text = string(w.data)
			return w.expect(wireBytes, "piece")
		case 2:
			p.score = math.Float32frombits(uint32(w.value))
			return w.expect(wireFixed32, "score")
		case 3:
			p.kind = pieceType(min(w.value, math.MaxInt32))
			return w.expect(wireVarint, "type")
		}
		return nil
	})
	if err == nil && p.text == "" {
		err = fmt.Errorf("%s: empty piece", name)
	}
	f.pieces = append(f.pieces, p)
	return err
}

func (f *spmFile) trainer(w wireField) error {
	switch w.number {
	case 3:
		f.modelType = w.value
		return w.expect(wireVarint, "model_type")
	case 24:
		f.whitespaceAsSuffix = w.value != 0
		return w.expect(wireVarint, "treat_whitespace_as_suffix")
	case 35:
		f.byteFallback = w.value != 0
		return w.expect(wireVarint, "byte_fallback")
	case 45:
		f.unk = string(w.data)
		return w.expect(wireBytes, "unk_piece")
	case 46:
		f.bosPiece = string(w.data)
		return w.expect(wireBytes, "bos_piece")
	case 47:
		f.eosPiece = string(w.data)
		return w.expect(wireBytes, "eos_piece")
	case 48:
		f.padPiece = string(w.data)
		return w.expect(wireBytes, "pad_piece")
	}
	return nil
}

func (f *spmFile) normalizer(w wireField) error {
	switch w.number {
	case 2:
		f.charsmap = w.data
		return w.expect(wireBytes, "precompiled_charsmap")
	case 3:
		f.dummyPrefix = w.value != 0
		return w.expect(wireVarint, "add_dummy_prefix")
	case 4:
		f.removeExtra = w.value != 0
		return w.expect(wireVarint, "remove_extra_whitespaces")
	case 5:
		f.escape = w.value != 0
		return w.expect(wireVarint, "escape_whitespaces")
	}
	return nil
}
