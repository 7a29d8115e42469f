//! The parameters of an action as a JSON Schema (2020-12): strict, local, with linear-time patterns.

use std::sync::Arc;

use jsonschema::{PatternOptions, ValidationError, Validator, error::ValidationErrorKind};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{error::unknown, param::ParamPath};
use crate::domain::{
    canonical::{NotCanonical, digest_of, escape_pointer, refuse_inexact},
    ids::Digest,
    source::{Fault, Node, nearest},
};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Keywords whose value is one schema.
const ONE: &[&str] = &[
    "items",
    "contains",
    "not",
    "if",
    "then",
    "else",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
];
/// Keywords whose value is a list of schemas.
const MANY: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords whose value is a mapping from names to schemas.
const NAMED: &[&str] = &["properties", "patternProperties", "$defs", "dependentSchemas"];
/// Every other keyword of the dialect that may be used here.
const PLAIN: &[&str] = &[
    "$schema",
    "$id",
    "$ref",
    "$anchor",
    "$comment",
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxContains",
    "minContains",
    "maxProperties",
    "minProperties",
    "required",
    "dependentRequired",
    "title",
    "description",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "examples",
    "format",
    "contentEncoding",
    "contentMediaType",
];

/// The types a parameter may have.
const TYPES: &[&str] = &[
    "object", "array", "string", "integer", "boolean", "null", "number",
];
/// How many schemas a schema may stand for once its references are followed, and how deep.
const MAX_EXPANDED: usize = 10_000;
const MAX_DEEP: usize = 32;

/// A parameter that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParamError {
    pointer: String,
    message: String,
}

impl ParamError {
    /// The JSON pointer (RFC 6901) into the parameters; empty for all of them.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }
    /// What is wrong; never the value itself, which may be sensitive.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// A compiled schema.
#[derive(Debug, Clone)]
pub(super) struct ParamSchema {
    schema: Value,
    digest: Digest,
    validator: Arc<Validator>,
    has_defaults: bool,
}

impl ParamSchema {
    pub(super) fn value(&self) -> &Value {
        &self.schema
    }
    pub(super) fn digest(&self) -> Digest {
        self.digest
    }

    /// Reads and compiles a schema. Objects that do not say so get `additionalProperties: false`.
    pub(super) fn read(node: &Node) -> Result<Self, Vec<Fault>> {
        let mut schema = node.to_value();
        let mut faults = Vec::new();
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            let message = "the schema of the parameters must say `type: object`";
            faults.push(Fault::new(node.mark(), message));
        }
        check(node, &schema, "", &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        close(&mut schema);
        let digest = digest_of(&schema).map_err(|error| {
            let at = match &error {
                NotCanonical::Float { at } | NotCanonical::TooLarge { at } => at.as_str(),
                NotCanonical::Json(_) | NotCanonical::Form => "",
            };
            vec![Fault::new(node.mark_at(at), error.to_string())]
        })?;
        let validator =
            compile(&schema).map_err(|(at, message)| vec![Fault::new(node.mark_at(&at), message)])?;
        let schema = Self {
            has_defaults: states_default(&schema),
            schema,
            digest,
            validator: Arc::new(validator),
        };
        if !schema.is_bounded(&schema.schema, MAX_DEEP, &mut 0) {
            let message = "the schema refers to itself or grows too large; write it out to a fixed depth";
            return Err(vec![Fault::new(node.mark(), message)]);
        }
        let faults = schema.wrong_defaults(node);
        if faults.is_empty() {
            Ok(schema)
        } else {
            Err(faults)
        }
    }

    pub(super) fn has_defaults(&self) -> bool {
        self.has_defaults
    }

    /// The schema of one parameter, by `properties` and local references.
    pub(super) fn find(&self, param: &ParamPath) -> Option<&Value> {
        param.parts().iter().try_fold(&self.schema, |schema, part| {
            self.resolve(self.resolve(schema)?.get("properties")?.get(part)?)
        })
    }
    /// Whether a parameter lies in what the schema leaves open: an object whose `additionalProperties` are allowed, or
    /// one described by choices (`anyOf`, `if` and the like) rather than by `properties` alone.
    pub(super) fn is_open(&self, param: &ParamPath) -> bool {
        let mut schema = &self.schema;
        for part in param.parts() {
            let Some(here) = self.resolve(schema) else {
                return false;
            };
            let choices = [
                "anyOf",
                "oneOf",
                "allOf",
                "if",
                "patternProperties",
                "dependentSchemas",
            ];
            let closed = here.get("additionalProperties") == Some(&Value::Bool(false));
            match here.get("properties").and_then(|all| all.get(part)) {
                Some(next) => schema = next,
                None => return !closed || choices.iter().any(|choice| here.get(choice).is_some()),
            }
        }
        false
    }
    /// Whether a parameter is always there: required, or given a default, at every level.
    pub(super) fn is_always_there(&self, param: &ParamPath) -> bool {
        let mut schema = Some(&self.schema);
        param.parts().iter().all(|part| {
            let Some(here) = schema.and_then(|schema| self.resolve(schema)) else {
                return false;
            };
            schema = here.get("properties").and_then(|all| all.get(part));
            let required = here.get("required").and_then(Value::as_array);
            required.is_some_and(|names| names.iter().any(|name| name == part))
        })
    }
    /// Whether an object that fits may be without a parameter, once the defaults are filled in. Not where choices such as
    /// `if` and `anyOf` may ask for it: then nobody can tell from the schema alone.
    pub(super) fn may_be_absent(&self, object: &[String], name: &str) -> bool {
        let object = object.iter().try_fold(&self.schema, |schema, part| {
            self.resolve(self.resolve(schema)?.get("properties")?.get(part)?)
        });
        let Some(object) = object.and_then(|schema| self.resolve(schema)) else {
            return false;
        };
        let chooses = [
            "anyOf",
            "oneOf",
            "allOf",
            "if",
            "not",
            "dependentRequired",
            "dependentSchemas",
            "minProperties",
        ];
        let property = object.get("properties").and_then(|all| all.get(name));
        let required = object.get("required").and_then(Value::as_array);
        let required = required.is_some_and(|names| names.iter().any(|known| known == name));
        let has_default = |schema: &Value| schema.get("default").is_some();
        let given = property
            .and_then(|schema| self.resolve(schema))
            .is_some_and(has_default);
        let choosing = chooses.iter().any(|keyword| object.get(keyword).is_some());
        property.is_some() && !required && !given && !choosing
    }
    /// The dotted path of every parameter.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.collect(&self.schema, "", &mut found);
        found
    }

    fn collect(&self, schema: &Value, prefix: &str, found: &mut Vec<String>) {
        let Some(schema) = self.resolve(schema) else {
            return;
        };
        for (name, schema) in properties(schema) {
            let path = format!("{prefix}{name}");
            self.collect(schema, &format!("{path}."), found);
            found.push(path);
        }
    }

    /// Whether following every reference ends, so that defaults and paths are few.
    fn is_bounded(&self, schema: &Value, deep: usize, count: &mut usize) -> bool {
        *count += 1;
        let Some(schema) = self.resolve(schema).filter(|_| deep > 0 && *count < MAX_EXPANDED) else {
            return false;
        };
        let inner = schema.as_object().map(children).unwrap_or_default();
        let inner = inner.into_iter().filter(|(_, at)| !at.starts_with("/$defs/"));
        inner
            .into_iter()
            .all(|(schema, _)| self.is_bounded(schema, deep - 1, count))
    }

    /// What a schema's local reference stands for.
    pub(super) fn resolve<'a>(&'a self, schema: &'a Value) -> Option<&'a Value> {
        let mut schema = schema;
        for _ in 0..8 {
            match schema.get("$ref").and_then(Value::as_str) {
                Some(local) => schema = self.schema.pointer(local.strip_prefix('#')?)?,
                None => return Some(schema),
            }
        }
        None
    }

    /// Fills in defaults, in nested objects too; gives the JSON pointers of what was filled in.
    pub(super) fn apply_defaults(&self, params: &mut Value) -> Vec<String> {
        let mut filled = Vec::new();
        self.fill(&self.schema, params, &mut String::new(), &mut filled);
        filled
    }

    fn fill(&self, schema: &Value, value: &mut Value, at: &mut String, filled: &mut Vec<String>) {
        let Some(schema) = self.resolve(schema) else {
            return;
        };
        let here = at.len();
        match value {
            Value::Object(fields) => {
                for (name, schema) in properties(schema) {
                    at.push('/');
                    at.push_str(&escape_pointer(name));
                    let default = self.resolve(schema).and_then(|schema| schema.get("default"));
                    if let (None, Some(default)) = (fields.get(name), default) {
                        fields.insert(name.clone(), default.clone());
                        filled.push(at.clone());
                    }
                    if let Some(value) = fields.get_mut(name) {
                        self.fill(schema, value, at, filled);
                    }
                    at.truncate(here);
                }
            }
            Value::Array(items) => {
                let Some(schema) = schema.get("items") else {
                    return;
                };
                for (item, index) in items.iter_mut().zip(0..) {
                    at.push_str(&format!("/{index}"));
                    self.fill(schema, item, at, filled);
                    at.truncate(here);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Everything that does not fit; empty when the parameters are good.
    pub(super) fn validate(&self, params: &Value) -> Vec<ParamError> {
        let mut found: Vec<ParamError> = Vec::new();
        if let Err(error) = refuse_inexact(params, &mut String::new()) {
            let pointer = match &error {
                NotCanonical::Float { at } | NotCanonical::TooLarge { at } => at.clone(),
                NotCanonical::Json(_) | NotCanonical::Form => String::new(),
            };
            found.push(ParamError {
                pointer,
                message: error.to_string(),
            });
        }
        let inexact = found.first().map(|error| error.pointer.clone());
        found.extend(
            self.validator
                .iter_errors(params)
                .take(100)
                .flat_map(|error| self.explain(&error))
                .filter(|error| inexact.as_ref() != Some(&error.pointer)),
        );
        found.sort_by(|a, b| a.pointer.cmp(&b.pointer));
        found
    }

    fn explain(&self, error: &ValidationError<'_>) -> Vec<ParamError> {
        let pointer = error.instance_path().as_str();
        let at = |pointer: String, message: String| ParamError { pointer, message };
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                let known = error
                    .schema_path()
                    .as_str()
                    .rsplit_once('/')
                    .map_or("", |(up, _)| up);
                let known = self.schema.pointer(known).map(properties).into_iter().flatten();
                let known: Vec<&str> = known.map(|(name, _)| name.as_str()).collect();
                unexpected
                    .iter()
                    .map(|name| {
                        let help = nearest(name, known.iter().copied())
                            .map(|near| format!("; did you mean `{near}`?"))
                            .unwrap_or_default();
                        let pointer = format!("{pointer}/{}", escape_pointer(name));
                        let name: String = name.chars().take(80).flat_map(char::escape_debug).collect();
                        at(pointer, format!("unknown parameter `{name}`{help}"))
                    })
                    .collect()
            }
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                let pointer = format!("{pointer}/{}", escape_pointer(name));
                vec![at(pointer, format!("the parameter `{name}` is missing"))]
            }
            _ => vec![at(
                pointer.into(),
                error.masked_with("the value").to_string().replace('"', "`"),
            )],
        }
    }

    /// Defaults that the schema itself would refuse.
    fn wrong_defaults(&self, node: &Node) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.each_default(&self.schema, "", &mut |at, schema, default| {
            let mut alone = schema.clone();
            if let (Some(alone), Some(defs)) = (alone.as_object_mut(), self.schema.get("$defs")) {
                alone.entry("$defs").or_insert_with(|| defs.clone());
            }
            let mut filled = default.clone();
            self.fill(schema, &mut filled, &mut String::new(), &mut Vec::new());
            let fits = compile(&alone).is_ok_and(|validator| validator.is_valid(&filled));
            if !fits {
                let mark = node.mark_at(&format!("{at}/default"));
                faults.push(Fault::new(mark, "the default does not fit its own schema"));
            }
        });
        faults
    }

    fn each_default(&self, schema: &Value, at: &str, found: &mut impl FnMut(&str, &Value, &Value)) {
        if let Some(default) = schema.get("default") {
            found(at, schema, default);
        }
        for (name, schema) in properties(schema) {
            self.each_default(
                schema,
                &format!("{at}/properties/{}", escape_pointer(name)),
                found,
            );
        }
        if let Some(items) = schema.get("items") {
            self.each_default(items, &format!("{at}/items"), found);
        }
    }
}

/// Whether a default stands anywhere, behind a reference too.
fn states_default(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.contains_key("default") || fields.values().any(states_default),
        Value::Array(list) => list.iter().any(states_default),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

fn compile(schema: &Value) -> Result<Validator, (String, String)> {
    jsonschema::draft202012::options()
        .with_pattern_options(PatternOptions::regex().size_limit(1 << 20))
        .should_validate_formats(true)
        .build(schema)
        .map_err(|error| {
            let message = match error.kind() {
                ValidationErrorKind::Format { format } if format == "regex" => {
                    "not a pattern; groups that look around and references back are not supported".into()
                }
                _ => format!("not a JSON Schema: {error}"),
            };
            (error.instance_path().as_str().to_owned(), message)
        })
}

/// What the dialect allows and this place does not, or what is likely a slip.
/// A name under `required` that a closed object has no property for: nothing would ever fit.
fn required(root: &Node, schema: &Value, at: &str, faults: &mut Vec<Fault>) {
    let closed = matches!(
        schema.get("additionalProperties"),
        None | Some(Value::Bool(false))
    );
    // Properties that stand elsewhere, as behind `$ref` or in `allOf`, make no object closed.
    let Some(known) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    let elsewhere = [
        "$ref",
        "patternProperties",
        "allOf",
        "anyOf",
        "oneOf",
        "unevaluatedProperties",
    ];
    if !closed || elsewhere.iter().any(|keyword| schema.get(keyword).is_some()) {
        return;
    }
    let names = schema.get("required").and_then(Value::as_array);
    for (name, index) in names.into_iter().flatten().zip(0..) {
        if let Some(name) = name.as_str().filter(|name| !known.contains_key(*name)) {
            let mark = root.mark_at(&format!("{at}/required/{index}"));
            faults.push(unknown(mark, "property", name, known.keys().map(String::as_str)));
        }
    }
}

fn check(root: &Node, schema: &Value, at: &str, faults: &mut Vec<Fault>) {
    let Some(fields) = schema.as_object() else {
        return;
    };
    let mut no = |keyword: &str, message: String| {
        faults.push(Fault::new(
            root.mark_at(&format!("{at}/{}", escape_pointer(keyword))),
            message,
        ));
    };
    for (keyword, value) in fields {
        let text = value.as_str().unwrap_or_default();
        match keyword.as_str() {
            "$ref" if !text.starts_with("#/") => no(
                keyword,
                format!("`{text}` is not in this schema; refer to `#/$defs/...`"),
            ),
            "$ref" if text.strip_prefix('#').is_none_or(|at| root.at(at).is_none()) => {
                no(keyword, format!("`{text}` is not in this schema; define it under `$defs`"));
            }
            "$id" | "$anchor" => no(keyword, format!("`{keyword}` is not supported here; refer by `#/$defs/...`")),
            "$schema" if text != DIALECT => {
                no(keyword, format!("`{text}` is not the dialect used here, `{DIALECT}`"));
            }
            "type" if text == "number" || lists_number(value) => no(
                keyword,
                "`number` allows fractions, which readers round differently; use `integer`, money in minor units".into(),
            ),
            _ => {}
        }
    }
    let kinds = fields.get("type").into_iter().flat_map(|kind| match kind {
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    });
    for kind in kinds
        .filter_map(Value::as_str)
        .filter(|kind| !TYPES.contains(kind))
    {
        let mark = root.mark_at(&format!("{at}/type"));
        faults.push(unknown(mark, "type", kind, TYPES.iter().copied()));
    }
    required(root, schema, at, faults);
    for keyword in fields.keys().filter(|keyword| !keyword.starts_with("x-")) {
        let known = || [ONE, MANY, NAMED, PLAIN].into_iter().flatten().copied();
        if !known().any(|name| name == keyword) {
            let mark = root.key_mark_at(at, keyword);
            faults.push(unknown(mark, "schema keyword", keyword, known()));
        }
    }
    for (schema, path) in children(fields) {
        check(root, schema, &format!("{at}{path}"), faults);
    }
}

fn lists_number(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|list| list.iter().any(|name| name == "number"))
}

/// The schemas directly inside a schema, each with its JSON pointer from there.
fn children(fields: &Map<String, Value>) -> Vec<(&Value, String)> {
    let mut found = Vec::new();
    for (keyword, value) in fields {
        let key = escape_pointer(keyword);
        if ONE.contains(&keyword.as_str()) {
            found.push((value, format!("/{key}")));
        } else if MANY.contains(&keyword.as_str()) {
            let list = value.as_array().into_iter().flatten();
            found.extend(list.zip(0..).map(|(schema, i)| (schema, format!("/{key}/{i}"))));
        } else if NAMED.contains(&keyword.as_str()) {
            let named = value.as_object().into_iter().flatten();
            found.extend(named.map(|(name, schema)| (schema, format!("/{key}/{}", escape_pointer(name)))));
        }
    }
    found
}

/// States `additionalProperties: false` wherever an object does not state it. Conditions (`if`, `not`) stay open:
/// closing them would turn their meaning.
fn close(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else {
        return;
    };
    for (keyword, value) in fields.iter_mut() {
        let name = keyword.as_str();
        if ONE.contains(&name) && !matches!(name, "if" | "not") {
            close(value);
        } else if MANY.contains(&name) {
            value.as_array_mut().into_iter().flatten().for_each(close);
        } else if NAMED.contains(&name) {
            let named = value.as_object_mut().into_iter().flatten();
            named.for_each(|(_, schema)| close(schema));
        }
    }
    let is_object =
        fields.get("type").is_some_and(|kind| kind == "object") || fields.contains_key("properties");
    if is_object && !fields.contains_key("unevaluatedProperties") {
        fields.entry("additionalProperties").or_insert(Value::Bool(false));
    }
}
