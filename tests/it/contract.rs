//! GitHub's own description of its API, to hold recorded requests and answers against.
//!
//! The description comes from npm (`@octokit/openapi`, `@octokit/openapi-webhooks`), pinned by `tests/npm`, installed
//! into `target/npm` when first needed.
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use countersign::sandbox::Recorded;
use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// Path parameters that may hold slashes.
const LONG: &[&str] = &["{path}", "{ref}", "{branch}", "{basehead}"];

/// Where GitHub's description is mistaken: what a problem starts with, what it holds, and why it is let through.
const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "GET /app/installations -> 200",
        "/account:",
        "demands an account that is a user and an enterprise at once; the component it repeats says either",
    ),
    (
        "check-suite-rerequested",
        "/app/events/",
        "its list of events an app may subscribe to lacks repository_ruleset, which the documentation has",
    ),
];

fn mistaken(problem: &str) -> bool {
    MISTAKES
        .iter()
        .any(|(start, part, _)| problem.starts_with(start) && problem.contains(part))
}

/// Where the npm packages are, or `None` (loudly) on a machine without npm. In CI that is a failure.
pub(crate) fn packages() -> Option<PathBuf> {
    static READY: OnceLock<Option<PathBuf>> = OnceLock::new();
    READY.get_or_init(install).clone()
}

fn install() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cache = root.join("target/npm");
    let lock = std::fs::read(root.join("tests/npm/package-lock.json")).unwrap();
    let stamp = cache.join("installed-lock.json");
    if std::fs::read(&stamp).ok().as_deref() == Some(&lock) {
        return Some(cache);
    }
    std::fs::create_dir_all(&cache).unwrap();
    for name in ["package.json", "package-lock.json"] {
        std::fs::copy(root.join("tests/npm").join(name), cache.join(name)).unwrap();
    }
    let done = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&cache)
        .output();
    let problem = match done {
        Ok(output) if output.status.success() => {
            std::fs::write(stamp, lock).unwrap();
            return Some(cache);
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    assert!(std::env::var_os("CI").is_none(), "npm ci failed: {problem}");
    eprintln!("SKIPPED: this test needs node and npm ({problem})");
    None
}

/// An OpenAPI document with the validators made from it so far.
pub(crate) struct Description {
    document: Value,
    validators: Mutex<HashMap<String, std::sync::Arc<Validator>>>,
}

impl Description {
    fn read(file: &Path) -> Self {
        let text = std::fs::read(file).unwrap();
        Self {
            document: serde_json::from_slice(&text).unwrap(),
            validators: Mutex::default(),
        }
    }

    /// The REST description of github.com, or `None` when npm is missing.
    pub(crate) fn rest() -> Option<&'static Self> {
        static REST: OnceLock<Option<Description>> = OnceLock::new();
        let load = || {
            Some(Self::read(&packages()?.join(
                "node_modules/@octokit/openapi/generated/api.github.com.json",
            )))
        };
        REST.get_or_init(load).as_ref()
    }

    /// The description of webhook payloads, or `None` when npm is missing.
    pub(crate) fn webhooks() -> Option<&'static Self> {
        static HOOKS: OnceLock<Option<Description>> = OnceLock::new();
        let file = "node_modules/@octokit/openapi-webhooks/generated/api.github.com.json";
        HOOKS
            .get_or_init(|| Some(Self::read(&packages()?.join(file))))
            .as_ref()
    }

    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self.resolve(self.document.pointer(&reference[1..]).unwrap()),
            None => value,
        }
    }

    /// The operation a request is for: path template and its description.
    fn operation(&self, method: &str, path: &str) -> Option<(&str, &Value)> {
        let parts: Vec<&str> = path.split('/').collect();
        let mut best: Option<(usize, &str, &Value)> = None;
        for (template, item) in self.document["paths"].as_object().unwrap() {
            let pattern: Vec<&str> = template.split('/').collect();
            let Some(literal) = fits(&pattern, &parts) else {
                continue;
            };
            let Some(operation) = item.get(method.to_lowercase()) else {
                continue;
            };
            if best.is_none_or(|(most, _, _)| literal > most) {
                best = Some((literal, template, operation));
            }
        }
        best.map(|(_, template, operation)| (template, operation))
    }

    /// What is wrong with `instance`, by the schema given; `name` identifies the schema for reuse.
    fn problems(&self, name: &str, schema: &Value, instance: &Value) -> Vec<String> {
        let known = self.validators.lock().unwrap().get(name).cloned();
        let validator = known.unwrap_or_else(|| {
            let validator = std::sync::Arc::new(self.validator(schema));
            self.validators
                .lock()
                .unwrap()
                .insert(name.to_owned(), validator.clone());
            validator
        });
        validator
            .iter_errors(instance)
            .map(|error| {
                let mut text = error.to_string();
                text.truncate(text.char_indices().nth(300).map_or(text.len(), |(at, _)| at));
                format!("{}: {text}", error.instance_path())
            })
            .collect()
    }

    fn validator(&self, schema: &Value) -> Validator {
        let mut needed = BTreeMap::new();
        let root = self.closed(schema, &mut needed);
        let schemas: Map<String, Value> = needed.into_iter().collect();
        let document = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [root],
            "components": { "schemas": schemas },
        });
        jsonschema::options()
            .should_validate_formats(true)
            .build(&document)
            .unwrap()
    }

    /// The schema in JSON Schema's words, with every component it names collected in `needed`.
    fn closed(&self, schema: &Value, needed: &mut BTreeMap<String, Value>) -> Value {
        match schema {
            Value::Array(items) => items.iter().map(|item| self.closed(item, needed)).collect(),
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                    let name = reference.rsplit('/').next().unwrap().to_owned();
                    if !needed.contains_key(&name) {
                        needed.insert(name.clone(), Value::Bool(true));
                        let target = self.closed(self.document.pointer(&reference[1..]).unwrap(), needed);
                        needed.insert(name.clone(), target);
                    }
                    return json!({ "$ref": format!("#/components/schemas/{name}") });
                }
                let mut out: Map<String, Value> = fields
                    .iter()
                    .filter(|(key, _)| {
                        !["example", "examples", "nullable", "discriminator", "xml"].contains(&key.as_str())
                    })
                    .filter(|(key, value)| !(*key == "format" && loose(value)))
                    .map(|(key, value)| (key.clone(), self.closed(value, needed)))
                    .collect();
                if let Some(properties) = fields.get("properties").and_then(Value::as_object) {
                    let closed = properties
                        .iter()
                        .map(|(name, value)| (name.clone(), self.closed(value, needed)));
                    out.insert("properties".to_owned(), Value::Object(closed.collect()));
                }
                if fields.get("nullable") == Some(&Value::Bool(true)) {
                    return json!({ "anyOf": [{ "type": "null" }, out] });
                }
                Value::Object(out)
            }
            other => other.clone(),
        }
    }

    /// What is wrong with one recorded request and its answer. Faults are let through, and so are addresses by id,
    /// which answers link to but the description leaves out.
    pub(crate) fn check(&self, recorded: &Recorded) -> Vec<String> {
        let by_id = ["/organizations/", "/repositories/"]
            .iter()
            .any(|root| recorded.path.starts_with(root));
        if recorded.faulty || by_id {
            return Vec::new();
        }
        let (method, path, status) = (&recorded.method, &recorded.path, recorded.status);
        let Some((template, operation)) = self.operation(method, path) else {
            return if status == 404 {
                Vec::new()
            } else {
                vec!["no such operation".to_owned()]
            };
        };
        let key = format!("{method} {template}");
        let mut problems = Vec::new();
        if status < 400 {
            problems.extend(self.check_query(operation, &recorded.query));
            let body = &operation["requestBody"];
            let schema = &body["content"]["application/json"]["schema"];
            if !recorded.request.is_null() && !schema.is_null() {
                problems.extend(self.problems(&format!("{key} request"), schema, &recorded.request));
            } else if recorded.request.is_null() && body["required"] == true {
                problems.push("the body is missing".to_owned());
            }
        }
        let response = self.resolve(&operation["responses"][status.to_string()]);
        let schema = response["content"]
            .as_object()
            .and_then(|content| content.get("application/json"));
        match schema.map(|content| &content["schema"]) {
            Some(schema) if !recorded.response.is_null() => {
                problems.extend(self.problems(&format!("{key} {status}"), schema, &recorded.response));
            }
            Some(_)
                if response["content"]
                    .as_object()
                    .is_none_or(|content| content.len() <= 1) =>
            {
                problems.push(format!("the body of the {status} answer is missing"));
            }
            Some(_) => {}
            None if response.is_object() && recorded.response.is_null() => {}
            None if [401, 403, 404, 405, 409, 422].contains(&status) => {
                let schema = json!({ "$ref": "#/components/schemas/basic-error" });
                problems.extend(self.problems("error", &schema, &recorded.response));
            }
            None if status == 304 => {}
            None => problems.push(format!("status {status} is not described, or has no body")),
        }
        problems
            .into_iter()
            .map(|problem| format!("{key} -> {status}: {problem}"))
            .filter(|problem| !mistaken(problem))
            .collect()
    }

    fn check_query(&self, operation: &Value, query: &str) -> Vec<String> {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let known: BTreeSet<&str> = parameters
            .map(|parameter| self.resolve(parameter))
            .filter(|parameter| parameter["in"] == "query")
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        url::form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| !known.contains(name.as_ref()))
            .map(|(name, _)| format!("query parameter `{name}` is not described"))
            .collect()
    }

    /// What is wrong with a webhook payload; `None` when the event and action are not described.
    pub(crate) fn check_event(&self, event: &str, payload: &Value) -> Option<Vec<String>> {
        let key = event_key(event, payload);
        let schema = &self.document["webhooks"].get(&key)?["post"]["requestBody"]["content"]["application/json"]
            ["schema"];
        Some(
            self.problems(&key, schema, payload)
                .into_iter()
                .map(|problem| format!("{key}: {problem}"))
                .filter(|problem| !mistaken(problem))
                .collect(),
        )
    }
}

/// The description's name for an event and its action.
pub(crate) fn event_key(event: &str, payload: &Value) -> String {
    let action = payload["action"]
        .as_str()
        .map(|action| format!("-{action}"))
        .unwrap_or_default();
    format!("{event}{action}").replace('_', "-")
}

/// Formats that GitHub itself does not keep to in its own examples.
fn loose(format: &Value) -> bool {
    !matches!(format.as_str(), Some("date-time" | "uri"))
}

/// How many literal parts match, if the template fits.
fn fits(pattern: &[&str], parts: &[&str]) -> Option<usize> {
    match (pattern, parts) {
        ([], []) => Some(0),
        ([], _) | (_, []) => None,
        ([name, rest @ ..], [_, tail @ ..]) if LONG.contains(name) => (0..tail.len() + 1)
            .filter_map(|skip| fits(rest, tail.get(skip..)?))
            .max(),
        ([name, rest @ ..], [_, tail @ ..]) if name.starts_with('{') => fits(rest, tail),
        ([literal, rest @ ..], [part, tail @ ..]) if literal == part => {
            fits(rest, tail).map(|count| count + 1)
        }
        (_, _) => None,
    }
}

/// Fails with everything in which the recorded traffic departs from GitHub's description. Says how many exchanges were
/// held against it; 0 when npm is missing.
#[track_caller]
pub(crate) fn assert_described(recorded: &[Recorded]) -> usize {
    let Some(description) = Description::rest() else {
        return 0;
    };
    let problems: BTreeSet<String> = recorded.iter().flat_map(|one| description.check(one)).collect();
    assert!(
        problems.is_empty(),
        "{} departures:\n{}",
        problems.len(),
        Vec::from_iter(problems).join("\n")
    );
    recorded.len()
}
