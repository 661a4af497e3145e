//! llguidance for a host that has linear memory and integers alone.
//!
//! An instance has one vocabulary, one grammar and any number of matchers, which are positions in answers. Arguments and results
//! longer than an integer are in one buffer. A function that can fail returns the length of a message in the buffer, 0 being success.

use std::cell::RefCell;
use std::sync::Arc;

use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{ApproximateTokEnv, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};

#[derive(Default)]
struct Instance {
    buffer: Vec<u32>,
    factory: Option<ParserFactory>,
    grammar: Option<Matcher>,
    matchers: Vec<Option<Matcher>>,
}

thread_local!(static INSTANCE: RefCell<Instance> = RefCell::default());

fn with<T>(f: impl FnOnce(&mut Instance) -> T) -> T {
    INSTANCE.with(|i| f(&mut i.borrow_mut()))
}

impl Instance {
    /// Returns n bytes of the buffer.
    fn bytes(&mut self, n: usize) -> &mut [u8] {
        self.buffer.resize(self.buffer.len().max(n.div_ceil(4)), 0);
        // SAFETY: the buffer has at least n bytes, and any four bytes are a u32.
        unsafe { std::slice::from_raw_parts_mut(self.buffer.as_mut_ptr().cast(), n) }
    }

    /// Puts the message of an error in the buffer and returns its length.
    fn result(&mut self, r: Result<(), String>) -> u32 {
        let Err(message) = r else { return 0 };
        let message = if message.is_empty() { "failed".into() } else { message };
        self.bytes(message.len()).copy_from_slice(message.as_bytes());
        message.len() as u32
    }
}

/// Returns the address of the buffer, which has n bytes at least until the next call.
#[no_mangle]
extern "C" fn buffer(n: u32) -> *mut u8 {
    with(|i| i.bytes(n as usize).as_mut_ptr())
}

/// Takes the vocabulary: the buffer has the lengths of all tokens, then the tokens that end an answer, of which there is at least
/// one, then the bytes of all tokens. Those of control tokens begin with 0xff; tokens without bytes are never allowed.
#[no_mangle]
extern "C" fn vocabulary(tokens: u32, ends: u32) -> u32 {
    with(|i| {
        let (tokens, ends) = (tokens as usize, ends as usize);
        let mut at = 4 * (tokens + ends);
        let numbers = i.bytes(at).as_ptr().cast::<u32>();
        // SAFETY: the buffer is aligned, has as many numbers, and does not move below.
        let numbers = unsafe { std::slice::from_raw_parts(numbers, tokens + ends) }.to_vec();
        let total: usize = numbers[..tokens].iter().map(|&n| n as usize).sum();
        let all = i.bytes(at + total);
        let mut words = Vec::with_capacity(tokens);
        for &n in &numbers[..tokens] {
            words.push(all[at..at + n as usize].to_vec());
            at += n as usize;
        }
        let trie = TokTrie::from(&TokRxInfo::new(tokens as u32, numbers[tokens]), &words).with_eos_tokens(&numbers[tokens..]);
        let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let r = ParserFactory::new(&env, InferenceCapabilities::default(), &SlicedBiasComputer::general_slices());
        let r = r.map_err(|e| format!("{e:#}")).map(|mut factory| {
            factory.quiet();
            i.factory = Some(factory);
        });
        i.buffer = Vec::new();
        i.result(r)
    })
}

/// Compiles the grammar in the buffer, n bytes: llguidance's list of grammars in JSON. The numbers bound what it and each mask may
/// cost; see ParserLimits.
#[no_mangle]
extern "C" fn compile(n: u32, initial_fuel: u64, step_fuel: u64, step_items: u32, states: u32, size: u32) -> u32 {
    with(|i| {
        let text = i.bytes(n as usize).to_vec();
        let r = (|| {
            let grammar: TopLevelGrammar = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
            let factory = i.factory.as_mut().ok_or("no vocabulary")?;
            *factory.limits_mut() = ParserLimits {
                initial_lexer_fuel: initial_fuel,
                step_lexer_fuel: step_fuel,
                step_max_items: step_items as usize,
                max_lexer_states: states as usize,
                max_grammar_size: size as usize,
                verbose_errors: false,
                ..ParserLimits::default()
            };
            let mut matcher = Matcher::new(factory.create_parser(grammar));
            if let Some(message) = matcher.get_error() {
                return Err(message);
            }
            if let Some(warning) = matcher.grammar_warnings().into_iter().next() {
                return Err(warning);
            }
            i.grammar = Some(matcher);
            Ok(())
        })();
        i.result(r)
    })
}

/// Returns a new matcher at the beginning of an answer.
#[no_mangle]
extern "C" fn matcher() -> u32 {
    with(|i| {
        let matcher = i.grammar.clone();
        match i.matchers.iter().position(Option::is_none) {
            Some(at) => {
                i.matchers[at] = matcher;
                at as u32
            }
            None => {
                i.matchers.push(matcher);
                i.matchers.len() as u32 - 1
            }
        }
    })
}

/// Gives up a matcher.
#[no_mangle]
extern "C" fn release(matcher: u32) {
    with(|i| i.matchers[matcher as usize] = None)
}

/// Goes on by the n tokens in the buffer and puts in their place the mask of what may follow, a bit for each token, the lowest
/// first. At the end these are the tokens that end an answer.
#[no_mangle]
extern "C" fn advance(matcher: u32, n: u32) -> u32 {
    with(|i| {
        i.bytes(4 * n as usize);
        let tokens = i.buffer[..n as usize].to_vec();
        let Some(m) = i.matchers.get_mut(matcher as usize).and_then(Option::as_mut) else {
            return i.result(Err("no such matcher".into()));
        };
        let mask = m.consume_tokens(&tokens).and_then(|()| m.compute_mask_or_eos());
        let r = mask.map_err(|e| format!("{e:#}")).map(|mask| {
            let mask = mask.as_slice();
            i.bytes(4 * mask.len());
            i.buffer[..mask.len()].copy_from_slice(mask);
        });
        i.result(r)
    })
}
