//! A proposal's facts, from its file or the ledger, and "what if" on top of them.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{
    Failure, load,
    past::{self, Past},
};
use crate::domain::{
    facts::{Facts, Said, Says, Who},
    ids::{ItemId, ProposalId, Timestamp},
    policy::Policy,
    source::{SourceFile, nearest, read_tree},
};

/// What a proposal carries on its way that no rule looks at.
const SENT_ONLY: [&str; 7] = [
    "nonce",
    "idempotency_key",
    "signature",
    "expires_at",
    "not_before",
    "supersedes",
    "provenance",
];

/// `ann=approve`: what somebody would say.
#[derive(Debug, Clone)]
pub(super) struct Review(Said);

impl std::str::FromStr for Review {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (by, says) = text.split_once('=').ok_or("write NAME=approve or NAME=changes")?;
        let says = match says {
            "approve" => Says::Approve,
            "changes" => Says::RequestChanges,
            other => return Err(format!("`{other}` is neither `approve` nor `changes`")),
        };
        let by = by.parse().map(Who::Person).map_err(|error| format!("{error}"))?;
        Ok(Self(Said { by, says, at: None }))
    }
}

/// `parameters.amount.minor=5000`: a value to put in.
#[derive(Debug, Clone)]
pub(super) struct Set {
    path: Vec<String>,
    value: Value,
}

impl std::str::FromStr for Set {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, value) = text
            .split_once('=')
            .ok_or("write PATH=VALUE, as in `parameters.amount.minor=5000`")?;
        let path: Vec<String> = path.split('.').map(Into::into).collect();
        if path.iter().any(String::is_empty) {
            return Err("a path is names with dots between, as in `parameters.amount.minor`".into());
        }
        // What is not JSON is meant as text, so that nobody has to quote twice.
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.into()));
        Ok(Self { path, value })
    }
}

/// A proposal as its file or the ledger has it: as it is sent with `countersign propose`, or as facts.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The file or the id, for errors.
    name: PathBuf,
    fields: Map<String, Value>,
    /// Of a recorded one: what it is, when it stood so, and which rules judge it.
    heading: Option<String>,
}

/// What is asked about, and the rules that judge it: those of a folder, or for a recorded proposal those in force.
pub(super) fn ask(
    proposal: &Path,
    past: &Past,
    policies: Option<&Path>,
    now: Timestamp,
) -> Result<(Policy, Asked), Failure> {
    let Some(repo) = past.repo() else {
        let policy = load::policy(policies.unwrap_or(Path::new(load::FOLDER)))?;
        let asked = Asked::read(proposal, &policy, now)?;
        return Ok((policy, asked));
    };
    let id = past::id(proposal)?;
    let found = past.find(repo, id)?;
    if found.findings > 0 {
        let told = writeln!(
            anstream::stderr(),
            "{} on the branch is not part of the record; run `countersign audit verify`",
            found.findings
        );
        // Nobody is left to tell when standard error is closed too.
        drop(told);
    }
    let (policy, rules) = match policies {
        Some(folder) => (
            load::policy(folder)?,
            format!("the rules in `{}`", folder.display()),
        ),
        None => (
            past.in_force(repo, found.in_force)?,
            format!("the rules in force ({})", found.in_force.short()),
        ),
    };
    let facts = &found.facts;
    let heading = format!("{id}  {}, as of {}, by {rules}", facts.operation(), facts.now());
    Ok((policy, Asked::recorded(proposal, &found.facts, heading)?))
}

impl Asked {
    fn recorded(name: &Path, facts: &Facts, heading: String) -> Result<Self, Failure> {
        let value = serde_json::to_value(facts).map_err(|error| wrong(name, &error.to_string()))?;
        let Value::Object(mut fields) = value else {
            return Err(wrong(name, "facts are a mapping"));
        };
        // The only item's parameters stand where people write them, for `--set`.
        let only = ItemId::only();
        let parameters = match fields
            .get_mut("items")
            .and_then(Value::as_array_mut)
            .map(Vec::as_mut_slice)
        {
            Some([item]) if item.get("id").and_then(Value::as_str) == Some(only.as_str()) => {
                item.get_mut("parameters").map(Value::take)
            }
            Some(_) | None => None,
        };
        if let Some(parameters) = parameters {
            fields.remove("items");
            fields.insert("parameters".into(), parameters);
        }
        Ok(Self {
            name: name.to_owned(),
            fields,
            heading: Some(heading),
        })
    }

    /// What a recorded proposal is, when it stood so, and which rules judge it.
    pub(super) fn heading(&self) -> Option<&str> {
        self.heading.as_deref()
    }

    /// Reads a file; what it leaves out is filled in: the time, and the only agent that may propose the action.
    fn read(path: &Path, policy: &Policy, now: Timestamp) -> Result<Self, Failure> {
        let text = match path.to_string_lossy().parse::<ProposalId>() {
            Ok(id) if !path.exists() => return Err(not_a_file(id)),
            Ok(_) | Err(_) => load::text(path)?,
        };
        let file = SourceFile::new(path.display().to_string(), text);
        let tree = read_tree(&file)
            .map_err(|error| Failure::Files(vec![load::in_file(&error, path, &file.text)]))?;
        let Value::Object(mut fields) = tree.to_value() else {
            return Err(wrong(path, "a proposal is a mapping from field names to values"));
        };
        fields.retain(|name, _| !SENT_ONLY.contains(&name.as_str()));
        if !fields.contains_key("operation") && fields.contains_key("action") {
            return Err(wrong(path, "unknown field `action`; did you mean `operation`?"));
        }
        fields
            .entry("at")
            .or_insert_with(|| Value::String(now.to_string()));
        if !fields.contains_key("agent") {
            let operation = fields
                .get("operation")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let agent = only_agent(operation, policy).map_err(|message| wrong(path, &message))?;
            fields.insert("agent".into(), Value::String(agent));
        }
        counted(&fields, policy).map_err(|message| wrong(path, &message))?;
        Ok(Self {
            name: path.to_owned(),
            fields,
            heading: None,
        })
    }

    /// With values put in.
    pub(super) fn with(mut self, sets: &[Set]) -> Result<Self, Failure> {
        for set in sets {
            let mut at = Value::Object(std::mem::take(&mut self.fields));
            let done = put(&mut at, &set.path, &set.value);
            if let Value::Object(fields) = at {
                self.fields = fields;
            }
            done.map_err(|message| wrong(&self.name, &message))?;
        }
        Ok(self)
    }

    /// The facts, with what people would say.
    pub(super) fn facts(&self, reviews: &[Review]) -> Result<Facts, Failure> {
        let facts = serde_json::from_value::<Facts>(Value::Object(self.fields.clone()))
            .map_err(|error| wrong(&self.name, &misnamed(&self.fields, error.to_string())))?;
        let reviews = reviews.iter().map(|Review(said)| said.clone());
        Ok(reviews.fold(facts, Facts::and))
    }
}

/// What is wrong, in a line of its own for a field that is called otherwise in a case, or that is a parameter.
fn misnamed(fields: &Map<String, Value>, error: String) -> String {
    let unknown = |name: &&String| error.starts_with(&format!("unknown field `{name}`"));
    let parameters = fields.get("parameters").and_then(Value::as_object);
    let meant = fields.keys().find(unknown).and_then(|name| match name.as_str() {
        "params" => Some((name, "parameters".to_owned())),
        "action" => Some((name, "operation".to_owned())),
        _ => parameters?
            .contains_key(name)
            .then(|| (name, format!("parameters.{name}"))),
    });
    match meant {
        Some((name, meant)) => format!("unknown field `{name}`; did you mean `{meant}`?"),
        None => error,
    }
}

/// Refuses what is said of a limit that is not there, since nothing would read it.
fn counted(fields: &Map<String, Value>, policy: &Policy) -> Result<(), String> {
    let operation = fields
        .get("operation")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let action = operation
        .parse()
        .ok()
        .and_then(|operation| policy.action(&operation));
    let limits = action.map(|action| action.limits()).unwrap_or_default();
    let known = || limits.iter().map(|limit| limit.name());
    // A counter of one limit is named as the ledger names it, by the action first.
    let is_known =
        |name: &str| known().any(|known| known == name) || name.starts_with(&format!("{operation} "));
    let names = fields.get("counted").and_then(Value::as_object);
    let strange = names.into_iter().flat_map(Map::keys).find(|name| !is_known(name));
    strange.map_or(Ok(()), |name| {
        let near =
            nearest(name, known()).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        Err(format!(
            "`counted` names `{}`, which is no limit of `{operation}`{near}",
            name.escape_debug()
        ))
    })
}

/// The agent that may propose an action, when there is one only.
fn only_agent(operation: &str, policy: &Policy) -> Result<String, String> {
    let may = policy.agents().filter(|agent| {
        operation
            .parse()
            .is_ok_and(|operation| agent.may_propose(&operation))
    });
    let names: Vec<String> = may.map(|agent| agent.name().to_string()).collect();
    match names.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(format!(
            "no agent may propose `{operation}`; correct `operation`, or name an `agent`"
        )),
        several => Err(format!(
            "`{operation}` may be proposed by {}; name one as `agent`",
            several.join(", ")
        )),
    }
}

fn put(at: &mut Value, path: &[String], value: &Value) -> Result<(), String> {
    let Some((name, rest)) = path.split_first() else {
        *at = value.clone();
        return Ok(());
    };
    let next = match at {
        Value::Array(list) => {
            let length = list.len();
            let place = name.parse::<usize>().ok().and_then(|index| list.get_mut(index));
            place.ok_or_else(|| format!("`{name}` is not a place in a list of {length}, counted from 0"))?
        }
        Value::Object(fields) => fields.entry(name.clone()).or_insert(Value::Null),
        Value::Null => {
            *at = Value::Object(Map::new());
            return put(at, path, value);
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(format!("`{name}` would stand in a value that holds no names"));
        }
    };
    put(next, rest, value)
}

fn not_a_file(id: ProposalId) -> Failure {
    let help = "name its repository with `--ledger REPO`";
    Failure::Files(vec![miette::miette!(
        help = help,
        "`{id}` is no file; it looks like a recorded proposal"
    )])
}

fn wrong(path: &Path, message: &str) -> Failure {
    let help = "a proposal as `countersign propose` sends it will do; `countersign policy schema facts` prints the fields";
    Failure::Files(vec![miette::miette!(
        help = help,
        "{}: {message}",
        path.display()
    )])
}
