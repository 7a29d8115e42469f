//! What editors are told of the files that people write: JSON Schema 2020-12, made from the types that read them.
//!
//! A schema knows the shape of one file alone. What a name refers to, and what expressions and templates mean, is
//! known to [`compile`](super::compile()) and [`lint`](super::lint::lint()).

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Value, json};

use super::{
    agents::RawAgent,
    cases::RawFile,
    catalog::RawAction,
    checks::{RawBrand, RawConsent, RawOwn, RawPii, RawText},
    people::RawPerson,
    targets::RawBounds,
    tiers::{Condition, RawGate},
};
use crate::domain::{calendar::Calendar, request::Request};

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// `catalog.yaml`.
    Catalog,
    /// `tiers.yaml`.
    Tiers,
    /// `people.yaml`.
    People,
    /// `agents.yaml`.
    Agents,
    /// `checks/NAME.yaml`: a check of one's own.
    Check,
    /// `checks/brand.yaml`.
    Brand,
    /// `checks/consent.yaml`.
    Consent,
    /// `checks/pii.yaml`.
    Pii,
    /// `checks/text.yaml`.
    Text,
    /// `tests/*.yaml`.
    Tests,
    /// A proposal as an agent sends it.
    Proposal,
}

impl Form {
    /// Every kind that has a schema.
    pub const ALL: [Self; 11] = [
        Self::Catalog,
        Self::Tiers,
        Self::People,
        Self::Agents,
        Self::Check,
        Self::Brand,
        Self::Consent,
        Self::Pii,
        Self::Text,
        Self::Tests,
        Self::Proposal,
    ];

    /// The name, as in `catalog`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Catalog => "catalog",
            Self::Tiers => "tiers",
            Self::People => "people",
            Self::Agents => "agents",
            Self::Check => "check",
            Self::Brand => "brand",
            Self::Consent => "consent",
            Self::Pii => "pii",
            Self::Text => "text",
            Self::Tests => "tests",
            Self::Proposal => "proposal",
        }
    }
    /// The kind of a file of `policies/`; none for what is not YAML.
    pub fn of(path: &str) -> Option<Self> {
        match path {
            "catalog.yaml" => Some(Self::Catalog),
            "tiers.yaml" => Some(Self::Tiers),
            "people.yaml" => Some(Self::People),
            "agents.yaml" => Some(Self::Agents),
            "checks/brand.yaml" => Some(Self::Brand),
            "checks/consent.yaml" => Some(Self::Consent),
            "checks/pii.yaml" => Some(Self::Pii),
            "checks/text.yaml" => Some(Self::Text),
            path if path.starts_with("checks/") && path.ends_with(".yaml") => Some(Self::Check),
            path if path.starts_with(super::cases::FOLDER) => Some(Self::Tests),
            _ => None,
        }
    }

    /// Its JSON Schema.
    pub fn schema(self) -> Value {
        let mut generator = SchemaSettings::draft2020_12().into_generator();
        let of = &mut generator;
        let (title, schema) = match self {
            Self::Catalog => ("What agents may do: one entry an action", catalog(of)),
            Self::Tiers => (
                "How risky an action is, and what must hold before it may run",
                tiers(of),
            ),
            Self::People => ("Who people are: accounts and teams", people(of)),
            Self::Agents => (
                "Which agents may propose what, and who answers for them",
                one_list(named::<RawAgent>(of), "agents"),
            ),
            Self::Check => ("A check of one's own in one condition", RawOwn::json_schema(of)),
            Self::Brand => ("What the organisation may say", RawBrand::json_schema(of)),
            Self::Consent => ("Whose consent is needed", RawConsent::json_schema(of)),
            Self::Pii => ("What counts as personal data", RawPii::json_schema(of)),
            Self::Text => ("Names that others may not look like", RawText::json_schema(of)),
            Self::Tests => (
                "Cases that `countersign policy test` runs",
                RawFile::json_schema(of),
            ),
            Self::Proposal => ("A proposal as an agent sends it", Request::json_schema(of)),
        };
        finished(title, schema, generator)
    }
}

/// The JSON Schema of a type that stands in no policy file.
pub fn of_type<T: JsonSchema>(title: &str) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let schema = T::json_schema(&mut generator);
    finished(title, schema, generator)
}

fn finished(title: &str, mut schema: Schema, mut generator: SchemaGenerator) -> Value {
    schema.insert(
        "$schema".into(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    schema.insert("title".into(), json!(title));
    let definitions = generator.take_definitions(true);
    if !definitions.is_empty() {
        schema.insert("$defs".into(), Value::Object(definitions));
    }
    schema.to_value()
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A mapping from names to values of a type.
fn named<T: JsonSchema>(of: &mut SchemaGenerator) -> Schema {
    let value = of.subschema_for::<T>();
    json_schema!({ "type": "object", "additionalProperties": value })
}

/// A file with one field.
fn one_list(list: Schema, field: &str) -> Schema {
    json_schema!({
        "type": "object",
        "required": [field],
        "additionalProperties": false,
        "properties": { field: list },
    })
}

fn catalog(of: &mut SchemaGenerator) -> Schema {
    let (actions, targets) = (named::<RawAction>(of), of.subschema_for::<RawBounds>());
    json_schema!({
        "type": "object",
        "required": ["actions"],
        "additionalProperties": false,
        "properties": {
            "actions": actions,
            "targets": {
                "description": "What hosts are asked to do at a time, by `host` or `host:port`.",
                "type": "object",
                "additionalProperties": targets,
            },
        },
    })
}

fn people(of: &mut SchemaGenerator) -> Schema {
    let (people, calendars) = (named::<RawPerson>(of), named::<Calendar>(of));
    json_schema!({
        "type": "object",
        "required": ["people"],
        "additionalProperties": false,
        "properties": {
            "people": people,
            "calendars": calendars,
        },
    })
}

fn tiers(of: &mut SchemaGenerator) -> Schema {
    let (rule, gate) = (of.subschema_for::<Condition>(), of.subschema_for::<RawGate>());
    json_schema!({
        "type": "object",
        "required": ["rules", "gates"],
        "additionalProperties": false,
        "properties": {
            "rules": {
                "description": "The first rule that matches gives the tier; the last one has no condition.",
                "type": "array",
                "minItems": 1,
                "items": rule,
            },
            "gates": {
                "description": "What must hold before an action of a tier may run.",
                "type": "object",
                "required": ["low", "medium", "high"],
                "additionalProperties": false,
                "properties": { "low": gate, "medium": gate, "high": gate },
            },
        },
    })
}
