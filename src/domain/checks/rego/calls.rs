//! How rules call each other. What calls itself may never end, and no number of instructions keeps the stack of the
//! strict interpreter from running over, so that neither recursion nor long chains of calls are taken.

use std::collections::BTreeMap;

use regorus::rvm::{instructions::Instruction, program::Program};

/// The most rules that wait for one another's answer.
const MAX_DEPTH: usize = 16;

/// Why the calls of a program can't be taken, and the rule to blame by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) rule: String,
    pub(super) message: String,
}

/// Refuses a program whose rules call themselves, or wait for too many others.
pub(super) fn bounded(program: &Program) -> Result<(), Refused> {
    let calls = calls(program);
    let mut known: BTreeMap<usize, usize> = BTreeMap::new();
    for rule in 0..calls.len() {
        depth(rule, &calls, &mut Vec::new(), &mut known).map_err(|(rule, why)| {
            let path = program.rule_infos.get(rule).map_or("", |info| info.name.as_str());
            let name = path.rsplit('.').next().unwrap_or_default().to_owned();
            let message = match why {
                Why::Itself => format!("`{name}` calls itself; a check that may not end can't be used"),
                Why::Deep => {
                    format!("`{name}` waits for more than {MAX_DEPTH} rules in a row; join some of them")
                }
            };
            Refused { rule: name, message }
        })?;
    }
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Why {
    Itself,
    Deep,
}

/// How many rules wait for one another from this one on. Never deeper than [`MAX_DEPTH`] itself.
fn depth(
    rule: usize,
    calls: &[Vec<usize>],
    waiting: &mut Vec<usize>,
    known: &mut BTreeMap<usize, usize>,
) -> Result<usize, (usize, Why)> {
    if waiting.contains(&rule) {
        return Err((rule, Why::Itself));
    }
    if let Some(depth) = known.get(&rule) {
        return Ok(*depth);
    }
    if waiting.len() >= MAX_DEPTH {
        // A long way round is a way round: the reader is helped more by what it is.
        let why = if reaches_itself(rule, calls) {
            Why::Itself
        } else {
            Why::Deep
        };
        return Err((rule, why));
    }
    waiting.push(rule);
    let mut deepest = 0;
    for next in calls.get(rule).into_iter().flatten() {
        deepest = deepest.max(depth(*next, calls, waiting, known)?);
    }
    waiting.pop();
    let depth = deepest + 1;
    if depth > MAX_DEPTH {
        return Err((rule, Why::Deep));
    }
    known.insert(rule, depth);
    Ok(depth)
}

fn reaches_itself(rule: usize, calls: &[Vec<usize>]) -> bool {
    let mut seen = vec![false; calls.len()];
    let mut open: Vec<usize> = calls.get(rule).cloned().unwrap_or_default();
    while let Some(next) = open.pop() {
        if next == rule {
            return true;
        }
        if let Some(seen) = seen.get_mut(next).filter(|seen| !**seen) {
            *seen = true;
            open.extend(calls.get(next).into_iter().flatten());
        }
    }
    false
}

/// The rules that each rule calls, by their index. A rule's instructions stand together, from its first definition on.
fn calls(program: &Program) -> Vec<Vec<usize>> {
    let infos = &program.rule_infos;
    let mut begins: BTreeMap<usize, usize> = BTreeMap::new();
    for (info, rule) in infos.iter().zip(0..) {
        let bodies = info.definitions.iter().flatten();
        let entries = bodies.chain(info.destructuring_blocks.iter().flatten());
        if let Some(first) = entries.filter_map(|at| usize::try_from(*at).ok()).min() {
            begins.insert(first, rule);
        }
    }
    let mut calls = vec![Vec::new(); infos.len()];
    for (instruction, at) in program.instructions.iter().zip(0..) {
        let Some((_, rule)) = begins.range(..=at).next_back() else {
            // The way into the rules that are asked for.
            continue;
        };
        let Some(called) = calls.get_mut(*rule) else {
            continue;
        };
        match instruction {
            Instruction::CallRule { rule_index, .. } => called.push(usize::from(*rule_index)),
            Instruction::FunctionCall { params_index } => {
                let params = program.instruction_data.get_function_call_params(*params_index);
                called.extend(params.map(|params| usize::from(params.func_rule_index)));
            }
            // Which of them is known only when it runs.
            Instruction::VirtualDataDocumentLookup { .. } => called.extend(0..infos.len()),
            _ => {}
        }
    }
    calls
}
