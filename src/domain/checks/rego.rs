//! Checks of the organisation's own in Rego, with the conventions of conftest: rules named `deny`, `violation` and
//! `warn`, or so with a suffix (`deny_weekend`), in a package of any name. `input` is the proposal's matter.
//!
//! Rules run on the register machine of regorus within a number of instructions and bytes, so that live and replay agree. That
//! machine takes a builtin that fails for a condition that does not hold, and a `deny` would pass; so what it gives is
//! asked of the strict interpreter as well, which gives the error. INVARIANT i10.

mod calls;
mod heads;
mod nowhere;
mod shape;

use std::{borrow::Cow, fmt, num::NonZeroU64, sync::Arc};

use regorus::{
    CompiledPolicy, Engine, MemoryBudgetConfig, Rc, Value as Rego,
    languages::rego::compiler::Compiler,
    rvm::{
        program::Program,
        vm::{RegoVM, VmError},
    },
};
use serde_json::{Value, json};

use super::{Findings, Level, Problem, text::show};
use crate::domain::{
    matter::Matter,
    source::{Mark, Place},
};
use heads::{Head, Heads};

/// The longest module, in bytes.
pub const MAX_SOURCE: usize = 64 << 10;
/// How many instructions one rule that gives findings may take for one proposal.
pub const MAX_INSTRUCTIONS: usize = 200_000;
/// How many bytes one rule may hold at a time, in what it makes for one proposal.
const MAX_MEMORY: u64 = 4 << 20;
/// The longest message that is shown, in characters.
const MESSAGE: usize = 400;
/// The most rules that give findings.
const MAX_RULES: usize = 50;

/// Builtins whose answer is not the same on every machine at every time, that reach outside, or that cost more than
/// the instructions they are counted as.
const REFUSED: &[(&str, &str)] = &[
    ("time.", "`input.at` is when it was asked"),
    ("http.", "a check reaches nothing outside"),
    ("net.", "a check reaches nothing outside"),
    ("rand.", "a check always gives the same"),
    ("uuid.rfc4122", "a check always gives the same"),
    ("opa.", "a check always gives the same"),
    ("units.", "give the number itself"),
    ("numbers.range", "list the numbers, or compare with bounds"),
    ("numbers.range_step", "list the numbers, or compare with bounds"),
    ("print", "give a message instead"),
    ("trace", "give a message instead"),
];

/// A compiled module.
#[derive(Clone)]
pub struct Module {
    program: Arc<Program>,
    rules: Vec<Finding>,
    idle: Vec<Idle>,
}

/// A rule that gives no findings and that nothing reads.
#[derive(Debug, Clone)]
pub struct Idle {
    /// Its name.
    pub name: String,
    /// Where it begins.
    pub mark: Mark,
}

/// A rule that gives findings.
#[derive(Clone)]
struct Finding {
    path: String,
    level: Level,
    strict: CompiledPolicy,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules: Vec<&String> = self.rules.iter().map(|rule| &rule.path).collect();
        f.debug_struct("Module")
            .field("rules", &rules)
            .finish_non_exhaustive()
    }
}

/// Why a module can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegoError {
    /// Where, if it is known.
    pub mark: Option<Mark>,
    /// What is wrong.
    pub message: String,
}

/// The name of a module's text among those of an engine.
const FILE: &str = "check.rego";

/// A module that an engine has read.
struct Parsed {
    engine: Engine,
    package: String,
}

impl Parsed {
    fn of(text: &str, before_1_0: bool) -> Result<Self, RegoError> {
        let mut engine = Engine::new();
        engine.set_rego_v0(before_1_0);
        engine.set_strict_builtin_errors(true);
        let package = engine
            .add_policy(FILE.into(), text.into())
            .map_err(|error| malformed_module(text, &error))?;
        Ok(Self { engine, package })
    }
}

fn malformed_module(text: &str, error: &dyn fmt::Display) -> RegoError {
    let error = explain(text, &error.to_string());
    RegoError {
        message: format!("not a Rego module: {}", error.message),
        ..error
    }
}

impl Module {
    /// The worst that the module may find.
    pub fn level(&self) -> Level {
        self.rules
            .iter()
            .map(|rule| rule.level)
            .max()
            .unwrap_or(Level::Warn)
    }

    /// The rules that give no findings and that nothing reads.
    pub fn idle(&self) -> &[Idle] {
        &self.idle
    }

    /// Compiles a module; the language of OPA 1.0, and where it is not that, the one before.
    pub fn compile(text: &str) -> Result<Self, RegoError> {
        if text.len() > MAX_SOURCE {
            let message = format!("the module has {} bytes; {MAX_SOURCE} is the limit", text.len());
            return Err(RegoError { mark: None, message });
        }
        if text.starts_with('\u{feff}') {
            return Err(RegoError {
                mark: Some(mark_at(text, 0, 0)),
                message: "the file begins with a byte order mark; save it as UTF-8 without".into(),
            });
        }
        if let Some((name, at, instead)) = refused(text) {
            return Err(RegoError {
                mark: Some(mark_at(text, at, name.len())),
                message: format!("`{name}` can't be used in a check; {instead}"),
            });
        }
        if let Some((name, at, why)) = nowhere::first(text) {
            return Err(RegoError {
                mark: Some(mark_at(text, at, name.len())),
                message: format!("`{name}` {why}"),
            });
        }
        if let Some((at, message)) = shape::refused(text) {
            return Err(RegoError {
                mark: Some(mark_at(text, at, 1)),
                message: message.into(),
            });
        }
        let before = || Parsed::of(text, true);
        match Parsed::of(text, false) {
            Ok(parsed) => {
                let built = Self::build(text, parsed);
                built.or_else(|error| before().and_then(|old| Self::build(text, old)).map_err(|_| error))
            }
            // What only the language of before takes has errors of that language.
            Err(error) => match before() {
                Ok(parsed) => Self::build(text, parsed),
                Err(_) => Err(error),
            },
        }
    }

    fn build(text: &str, parsed: Parsed) -> Result<Self, RegoError> {
        let told = |error: &dyn fmt::Display| malformed_module(text, error);
        let Parsed { mut engine, package } = parsed;
        let (mut rules, mut idle) = (Vec::new(), Vec::new());
        let heads = Heads::of(text);
        for Head { name, at } in &heads.heads {
            if !engine.has_declared_rule_rooted_at(FILE, name).unwrap_or(false) {
                continue;
            }
            if !heads::gives(name) {
                if !heads.is_read(name) {
                    idle.push((*name, mark_at(text, *at, name.len())));
                }
                continue;
            }
            let level = if name.starts_with("warn") {
                Level::Warn
            } else {
                Level::Deny
            };
            rules.push((format!("{package}.{name}"), level));
        }
        let mut slips = idle.iter();
        if let Some((mark, message)) = slips.find_map(|(name, mark)| {
            let meant = heads::meant(name)?;
            let message =
                format!("nothing reads the rule `{name}`, and it finds nothing; did you mean `{meant}`?");
            Some((*mark, message))
        }) {
            return Err(RegoError {
                mark: Some(mark),
                message,
            });
        }
        if rules.is_empty() {
            let message =
                "the module has no rule named `deny`, `violation` or `warn`, so it would find nothing";
            return Err(RegoError {
                mark: Some(mark_at(text, 0, 0)),
                message: message.into(),
            });
        }
        if rules.len() > MAX_RULES {
            let message = format!(
                "the module has {} rules that give findings; {MAX_RULES} is the limit",
                rules.len()
            );
            return Err(RegoError { mark: None, message });
        }
        let mut findings = Vec::new();
        for (path, level) in rules {
            let strict = engine
                .compile_with_entrypoint(&Rc::from(path.as_str()))
                .map_err(|error| told(&error))?;
            findings.push(Finding { path, level, strict });
        }
        let paths: Vec<&str> = findings.iter().map(|rule| rule.path.as_str()).collect();
        let program = match findings.first() {
            Some(first) => {
                Compiler::compile_from_policy(&first.strict, &paths).map_err(|error| told(&error))?
            }
            None => Arc::default(),
        };
        calls::bounded(&program).map_err(|refused| RegoError {
            mark: head_of(text, &refused.rule),
            message: refused.message,
        })?;
        // Rules of tests are for other tools.
        let idle = idle.into_iter().filter(|(name, _)| !name.starts_with("test_"));
        let idle = idle.map(|(name, mark)| Idle {
            name: name.to_owned(),
            mark,
        });
        Ok(Self {
            program,
            rules: findings,
            idle: idle.collect(),
        })
    }

    /// What the module finds.
    pub fn run(&self, matter: &Matter<'_>) -> Vec<Problem> {
        let mut found = Findings::default();
        let input =
            input(matter).and_then(|text| Rego::from_json_str(&text).map_err(|error| error.to_string()));
        let input = match input {
            Ok(input) => input,
            Err(error) => {
                errored(
                    &mut found,
                    &format!("the proposal can't be given to the check: {error}"),
                );
                return found.into_problems();
            }
        };
        let mut vm = RegoVM::new();
        vm.load_program(Arc::clone(&self.program));
        vm.set_strict_builtin_errors(true);
        vm.set_max_instructions(MAX_INSTRUCTIONS);
        let budget = NonZeroU64::new(MAX_MEMORY).map(|limit| MemoryBudgetConfig { limit });
        vm.set_memory_budget_config(budget);
        vm.set_input(input.clone());
        for rule in &self.rules {
            match vm.execute_entry_point_by_name(&rule.path) {
                Ok(value) => match rule.strict.eval_with_input(input.clone()) {
                    Ok(strict) if strict == value => take(&value, rule.level, &mut found),
                    Ok(_) => errored(&mut found, "the check gives two answers"),
                    Err(error) => {
                        let error = explain("", &error.to_string()).message;
                        errored(&mut found, &format!("the check failed: {error}"));
                    }
                },
                Err(VmError::InstructionLimitExceeded { .. }) => {
                    errored(&mut found, "the check exceeds its instruction budget");
                }
                Err(VmError::MemoryBudgetExceeded { .. }) => {
                    errored(&mut found, "the check exceeds its memory budget");
                }
                Err(error) => {
                    let error: String = one_line(&error.to_string());
                    errored(&mut found, &format!("the check failed: {error}"));
                }
            }
        }
        found.into_problems()
    }
}

fn errored(found: &mut Findings, what: &str) {
    found.add(Level::Errored, "", what, "have the check corrected in the policy");
}

/// What one rule gives: a set, a list or the keys of an object, each a text or an object with `msg`; or `true`.
fn take(value: &Rego, level: Level, found: &mut Findings) {
    match value {
        Rego::Undefined | Rego::Bool(false) | Rego::Null => {}
        Rego::Bool(true) => found.add(level, "", "the rule holds", "see the check in the policy"),
        Rego::String(_) => one(value, level, found),
        Rego::Set(set) => set.iter().for_each(|value| one(value, level, found)),
        Rego::Array(list) => list.iter().for_each(|value| one(value, level, found)),
        // `deny[msg] if ...` of OPA 1.0 gives an object of what holds.
        Rego::Object(fields) if value["msg"] == Rego::Undefined => {
            for (key, holds) in fields.iter() {
                match holds {
                    Rego::Bool(true) => one(key, level, found),
                    _ => malformed(found),
                }
            }
        }
        Rego::Object(_) => one(value, level, found),
        Rego::Number(_) => malformed(found),
    }
}

fn one(value: &Rego, level: Level, found: &mut Findings) {
    let field = |name: &str| value[name].as_string().ok().map(|text| one_line(text));
    let (message, at, remedy) = match value {
        Rego::String(text) => (Some(one_line(text)), None, None),
        Rego::Object(_) => (field("msg"), field("at"), field("remedy")),
        _ => (None, None, None),
    };
    match message {
        Some(message) => {
            let at = at.filter(|at| at.starts_with('/')).unwrap_or_default();
            let remedy = remedy.unwrap_or_else(|| "change what the check finds, or drop it".into());
            found.add(level, &at, message, remedy);
        }
        None => malformed(found),
    }
}

fn malformed(found: &mut Findings) {
    errored(found, "a rule gives neither texts nor objects with `msg`");
}

/// A text in one line of characters that are safe to show, bounded.
fn one_line(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .take(MESSAGE)
        .collect();
    show(text.trim()).into_owned()
}

/// What a module sees as `input`, in JSON.
fn input(matter: &Matter<'_>) -> Result<String, String> {
    let value: Value = json!({
        "operation": matter.operation,
        "agent": matter.agent,
        "sponsor": matter.sponsor,
        "target": matter.target,
        "items": matter.items,
        "observed": matter.observed,
        "claimed": matter.claimed,
        "justification": matter.justification,
        "rollback_plan": matter.rollback_plan,
        "exceptions": matter.exceptions,
        "provenance": matter.provenance,
        "at": matter.at,
    });
    serde_json::to_string(&value).map_err(|error| error.to_string())
}

/// Where a rule begins.
fn head_of(text: &str, rule: &str) -> Option<Mark> {
    let heads = Heads::of(text).heads;
    let head = heads.into_iter().find(|head| head.name == rule)?;
    Some(mark_at(text, head.at, head.name.len()))
}

/// The first builtin that can't be used, outside of comments and texts: its name, its place in bytes, and what to do.
fn refused(text: &str) -> Option<(&str, usize, &'static str)> {
    let bytes = text.as_bytes();
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        match byte {
            byte if byte.is_ascii_alphabetic() => {
                let length = rest.iter().take_while(|byte| in_name(byte)).count();
                let name = text.get(at..at + length).unwrap_or_default();
                let is_called = rest.get(length) == Some(&b'(');
                at += length;
                let found = REFUSED.iter().find(|(refused, _)| {
                    name == *refused || refused.ends_with('.') && name.starts_with(refused)
                });
                let instead = match found {
                    Some((_, instead)) => Some(*instead),
                    None if name == "sprintf" => unbounded(text.get(at + 1..).unwrap_or_default()),
                    None => None,
                };
                if let (true, Some(instead)) = (is_called, instead) {
                    return Some((name, at - length, instead));
                }
            }
            _ => at += passed_over(rest),
        }
    }
    None
}

/// How many bytes of a module belong together: a comment, a text, or one byte of anything else.
fn passed_over(rest: &[u8]) -> usize {
    match rest.first() {
        Some(b'#') => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        Some(b'"') => quoted(rest),
        Some(b'`') => {
            let text = rest.iter().skip(1);
            1 + text.take_while(|byte| **byte != b'`').count() + 1
        }
        Some(_) | None => 1,
    }
}

/// What to do about a format whose length nobody can tell from the module: `%9d` pads to 9 characters, and so on.
fn unbounded(arguments: &str) -> Option<&'static str> {
    let arguments = arguments.trim_start();
    let format: Option<Cow<'_, str>> = match arguments.as_bytes().first() {
        Some(b'"') => arguments
            .get(..quoted(arguments.as_bytes()))
            .and_then(|text| serde_json::from_str(text).ok()),
        Some(b'`') => arguments.split('`').nth(1).map(Into::into),
        _ => None,
    };
    let Some(format) = format else {
        return Some("write its format as a text in its place");
    };
    let width = |after: &str| after.bytes().take_while(u8::is_ascii_digit).count();
    let wide = format.split('%').skip(1).any(|after| width(after) > 2);
    wide.then_some("pad to 99 at most")
}

/// How many bytes a text in double quotes takes.
fn quoted(rest: &[u8]) -> usize {
    let mut escaped = false;
    let end = rest.iter().skip(1).position(|byte| {
        let ends = !escaped && matches!(byte, b'"' | b'\n');
        escaped = !escaped && *byte == b'\\';
        ends
    });
    end.map_or(rest.len(), |end| end + 2)
}

/// An error of regorus, `--> file:line:column`, a snippet, and `error: message`, as a place and a message.
fn explain(text: &str, told: &str) -> RegoError {
    let place = told.lines().find_map(|line| {
        let mut parts = line.strip_prefix("--> ")?.rsplit(':');
        let column: u32 = parts.next()?.trim().parse().ok()?;
        let line: u32 = parts.next()?.parse().ok()?;
        Some((line, column))
    });
    let message = told
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("error: "))
        .or_else(|| told.lines().rfind(|line| !line.trim().is_empty()))
        .unwrap_or("it does not compile");
    let mark = place.map(|(number, column)| {
        let mut lines = text.split_inclusive('\n');
        let skipped = number.saturating_sub(1) as usize;
        let before: usize = lines.by_ref().take(skipped).map(str::len).sum();
        let line = lines.next().unwrap_or_default();
        // A tab counts as four columns there.
        let mut reached = 1;
        let within = line.char_indices().find_map(|(at, c)| {
            let here = (reached >= column).then_some(at);
            reached += if c == '\t' { 4 } else { 1 };
            here
        });
        mark_at(text, before + within.unwrap_or(line.trim_end().len()), 0)
    });
    let mut message = message.trim_end_matches('.').replace('\'', "`");
    if let Some(first) = message.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    RegoError {
        mark,
        message: one_line(&message),
    }
}

fn mark_at(text: &str, at: usize, length: usize) -> Mark {
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let place = Place {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
    };
    Mark::new(place, at, length)
}

#[cfg(test)]
mod tests;
