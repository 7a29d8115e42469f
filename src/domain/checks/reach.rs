//! Every text that a proposal brings, and where it stands.

use serde_json::Value;

use super::text::show;
use crate::domain::{
    canonical::escape_pointer,
    matter::Matter,
    proposal::{Body, Item},
    sealed::placeholder_of,
};

/// Who brought a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin<'a> {
    /// A parameter; the JSON pointer (RFC 6901) within the item's parameters, array indices left out.
    Parameter(&'a str),
    /// Anything else that the agent wrote.
    Agent,
    /// What the bot itself read. INVARIANT i13.
    Observed,
}

/// One text: a value, a number as it is written, or the name of a field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    /// JSON pointer (RFC 6901) into the proposal, safe to show.
    pub(super) at: &'a str,
    /// The text.
    pub(super) text: &'a str,
    /// The name of the field that holds it; none for the name itself.
    pub(super) field: Option<&'a str>,
    /// Who brought it.
    pub(super) origin: Origin<'a>,
}

/// Visits texts; what is sealed has none. Fields are visited in the order of their names, so that the same proposal
/// gives the same order however it was sent.
pub(super) struct Reach<'s, F, M> {
    /// Called for each text.
    visit: F,
    /// What a field's name is shown as in a pointer when it must not be shown itself.
    hide: M,
    /// JSON pointers of the parameters that are sealed.
    sealed: &'s [String],
    at: String,
    param: Option<String>,
    observed: bool,
}

impl<'s, F: FnMut(Text<'_>), M: Fn(&str) -> Option<String>> Reach<'s, F, M> {
    /// A visitor that hides some names, and passes over parameters that are sealed wherever they are kept, so that a
    /// question that has them in clear is answered like the proposal that has not.
    pub(super) const fn new(visit: F, hide: M, sealed: &'s [String]) -> Self {
        Self {
            visit,
            hide,
            sealed,
            at: String::new(),
            param: None,
            observed: false,
        }
    }

    /// Everything that the agent wrote.
    pub(super) fn written(&mut self, matter: &Matter<'_>) {
        matter.items.iter().for_each(|item| self.parameters(item));
        self.one("/justification", matter.justification);
        if let Some(plan) = matter.rollback_plan {
            self.one("/rollback_plan", plan);
        }
        for (index, exception) in matter.exceptions.iter().enumerate() {
            self.one(&format!("/exceptions/{index}/reason"), &exception.reason);
        }
        self.place(&["/claimed"]);
        self.fields(matter.claimed);
        let told = matter.provenance;
        let reference = |body: &Option<Body>| body.as_ref().and_then(|body| body.reference.clone());
        let (prompt, output) = (reference(&told.prompt), reference(&told.output));
        for (name, text) in [
            ("traceparent", &told.traceparent),
            ("gen_ai.agent.id", &told.agent_id),
            ("gen_ai.request.model", &told.request_model),
            ("gen_ai.conversation.id", &told.conversation_id),
            ("gen_ai.tool.call.id", &told.tool_call_id),
            ("prompt/ref", &prompt),
            ("output/ref", &output),
        ] {
            if let Some(text) = text {
                self.one(&format!("/provenance/{name}"), text);
            }
        }
    }

    /// The parameters of one item.
    pub(super) fn parameters(&mut self, item: &Item) {
        self.place(&["/items/", item.id.as_str(), "/parameters"]);
        self.param = Some(String::new());
        self.value(&item.parameters, None);
        self.param = None;
    }

    /// Everything that the bot read and keeps in the proposal.
    pub(super) fn observed(&mut self, matter: &Matter<'_>) {
        self.observed = true;
        for seen in matter.observed {
            let facts = &seen.facts;
            let (item, affected) = (&seen.item, &facts.affected);
            let mut part = |name: &str, value: &Value| {
                self.at = format!("/observed/{item}/{name}");
                self.value(value, None);
            };
            part("before", &facts.before);
            if let Some(after) = &facts.after {
                part("after", after);
            }
            for (name, value) in &affected.deltas {
                part(&format!("affected/deltas/{}", escape_pointer(&show(name))), value);
            }
            for (index, value) in affected.sample.iter().enumerate() {
                part(&format!("affected/sample/{index}"), value);
            }
            if let Some(audience) = &affected.audience {
                self.one(&format!("/observed/{item}/affected/audience"), audience);
            }
        }
        for asked in matter.dry_runs {
            for (name, value) in &asked.said {
                self.at = format!("/dry_runs/{}/said/{}", asked.item, escape_pointer(&show(name)));
                self.value(value, Some(name));
            }
        }
        self.observed = false;
    }

    /// A value at a pointer that is safe to show.
    pub(super) fn at(&mut self, at: &str, value: &Value) {
        self.place(&[at]);
        self.value(value, None);
    }

    fn one(&mut self, at: &str, text: &str) {
        self.place(&[at]);
        self.text(text, None);
    }

    fn place(&mut self, parts: &[&str]) {
        self.at.clear();
        self.at.extend(parts.iter().copied());
    }

    fn text(&mut self, text: &str, field: Option<&str>) {
        let origin = match &self.param {
            _ if self.observed => Origin::Observed,
            Some(param) => Origin::Parameter(param),
            None => Origin::Agent,
        };
        (self.visit)(Text {
            at: &self.at,
            text,
            field,
            origin,
        });
    }

    fn value(&mut self, value: &Value, field: Option<&str>) {
        match value {
            Value::String(text) => self.text(text, field),
            Value::Number(number) => self.text(&number.to_string(), field),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let length = self.at.len();
                    self.at.push_str(&format!("/{index}"));
                    self.value(item, field);
                    self.at.truncate(length);
                }
            }
            Value::Object(_) if placeholder_of(value).is_some() => {}
            Value::Object(fields) => self.fields(fields),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn fields(&mut self, fields: &serde_json::Map<String, Value>) {
        if fields.keys().is_sorted() {
            fields.iter().for_each(|(name, item)| self.field(name, item));
            return;
        }
        let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        sorted.into_iter().for_each(|(name, item)| self.field(name, item));
    }

    fn field(&mut self, name: &str, item: &Value) {
        let (length, within) = (self.at.len(), self.param.as_ref().map(String::len));
        self.at.push('/');
        match (self.hide)(name) {
            Some(hidden) => self.at.push_str(&escape_pointer(&hidden)),
            None => self.at.push_str(&escape_pointer(&show(name))),
        }
        if let Some(param) = &mut self.param {
            param.push('/');
            param.push_str(&escape_pointer(name));
        }
        self.text(name, None);
        let sealed = |param: &String| self.sealed.contains(param);
        if !self.param.as_ref().is_some_and(sealed) {
            self.value(item, Some(name));
        }
        self.at.truncate(length);
        if let (Some(param), Some(within)) = (&mut self.param, within) {
            param.truncate(within);
        }
    }
}

/// Whether a pointer is another or leads further in.
pub(super) fn is_within(at: &str, other: &str) -> bool {
    at.strip_prefix(other)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
