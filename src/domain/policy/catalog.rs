//! `catalog.yaml`: what agents may do, how bad it can get, who answers, and how it is carried out.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, de::IgnoredAny};

use super::{
    action::{Action, Party, Raci},
    body::BodyTemplate,
    describe,
    dry_run::{self, DryRunning, HttpDryRun},
    error::{Errors, Rule, unknown},
    escalate,
    execute::{Execute, Executing, Placed},
    expression::Names,
    http::{HttpObserve, Observing},
    limits::{self, LIMITS},
    param::ParamPath,
    people::People,
    request::HttpRequest,
    resource::ResourcePattern,
    rollback::{self, RawRollback},
    schema::ParamSchema,
    tiers::{DataClass, Impact},
};
use crate::domain::{
    ids::{ActionName, AgentName, CheckName},
    source::{Fault, Node},
};

/// What the catalog refers to in other files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) people: &'a People,
    pub(super) agents: &'a BTreeSet<&'a str>,
    pub(super) checks: &'a [&'a str],
}

/// Something that agents may propose.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAction {
    /// What it does, in a line.
    summary: String,
    /// The system it acts on; the first part of the action's name unless stated.
    system: Option<String>,
    /// Where it stands for CODEOWNERS, as in `/payments/suppliers/{supplier_id}`.
    #[schemars(regex(pattern = "^/"))]
    resource: String,
    /// What it can do to the business when it goes wrong.
    impact: Impact,
    /// The classes of data that it touches; `public` at least.
    #[schemars(length(min = 1))]
    data: Vec<DataClass>,
    /// How it is taken back.
    rollback: RawRollback,
    /// Who does it, answers for it, is asked about it and hears of it.
    raci: RawRaci,
    /// What an agent may ask for, as JSON Schema; nothing else is taken.
    #[serde(rename = "params")]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    _params: IgnoredAny,
    /// The line that an approver reads first, as in `Pay {{ params.supplier_id }} {{ params.amount | money }}`.
    describe: String,
    /// Conditions that raise the tier.
    #[serde(rename = "escalate")]
    #[schemars(with = "Option<Vec<escalate::RawEscalation>>")]
    _escalate: Option<IgnoredAny>,
    /// How much may run in a while.
    #[serde(rename = "limits")]
    #[schemars(with = "Option<Vec<limits::RawLimit>>")]
    _limits: Option<IgnoredAny>,
    /// The checks that run on every proposal.
    #[serde(default)]
    checks: Vec<CheckName>,
    /// The parameters that are sealed in Git and masked where people read.
    #[serde(default)]
    sensitive: Vec<ParamPath>,
    /// How the bot itself reads what is affected.
    #[serde(rename = "observe")]
    #[schemars(with = "Option<Observing>")]
    _observe: Option<IgnoredAny>,
    /// How the bot asks the target what it would do, before it asks people.
    #[serde(rename = "dry_run")]
    #[schemars(with = "Option<DryRunning>")]
    _dry_run: Option<IgnoredAny>,
    /// How the bot carries it out.
    #[serde(rename = "execute")]
    #[schemars(with = "Executing")]
    _execute: IgnoredAny,
}

/// Who does an action, answers for it, is asked about it and hears of it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawRaci {
    /// The agent that does it, of agents.yaml.
    responsible: AgentName,
    /// The team or person that answers for it, of people.yaml.
    accountable: String,
    /// Teams and people who are asked for a review, without blocking.
    #[serde(default)]
    consulted: Vec<String>,
    /// Teams and people who hear of the outcome.
    #[serde(default)]
    informed: Vec<String>,
}

/// The names of the actions in a file, whatever else is wrong with it.
pub(super) fn names(list: &Node) -> BTreeSet<&str> {
    list.entries().iter().map(|(key, _)| key.text()).collect()
}

/// Reads `catalog.yaml`; actions with errors are left out.
pub(super) fn read(list: &Node, around: Around<'_>, errors: &mut Errors) -> BTreeMap<ActionName, Action> {
    let mut actions = BTreeMap::new();
    errors.mapping(list, "a mapping from each action's name to the action");
    let names = names(list);
    for (key, node) in list.entries() {
        let name: ActionName = match key.text().parse() {
            Ok(name) => name,
            Err(error) => {
                errors.add(Rule::Syntax, key.mark(), error.to_string());
                continue;
            }
        };
        if let Some(action) = read_action(name.clone(), node, &names, around, errors) {
            actions.insert(name, action);
        }
    }
    rollback::misfits(list, &actions, errors);
    dry_run::misfits(list, &actions, errors);
    actions
}

fn read_action(
    name: ActionName,
    node: &Node,
    names: &BTreeSet<&str>,
    around: Around<'_>,
    errors: &mut Errors,
) -> Option<Action> {
    let raw: RawAction = match node.decode() {
        Ok(raw) => raw,
        Err(fault) => {
            errors.fault(Rule::Syntax, fault);
            return None;
        }
    };
    let before = errors.len();
    check_words(&raw, node, around, errors);
    let rollback = rollback::read(&raw.rollback, node, names, errors);
    let raci = read_raci(&raw.raci, node, around, errors);
    let params = keep(
        node.get("params").map(ParamSchema::read),
        Rule::ParamsSchema,
        errors,
    );
    let resource = match ResourcePattern::parse(&raw.resource) {
        Ok(resource) => Some(resource),
        Err(message) => {
            errors.add(Rule::Resource, node.mark_at("/resource"), message);
            None
        }
    };
    let execute = keep(node.get("execute").map(Execute::read), Rule::Connector, errors);
    let observe = node.get("observe").map(HttpObserve::read);
    let observe = keep(observe, Rule::Connector, errors);
    let dry_run = keep(node.get("dry_run").map(HttpDryRun::read), Rule::Connector, errors);
    let (mut conditions, mut counted) = (Vec::new(), Vec::new());
    if let Some(params) = &params {
        if let Some(list) = node.get("limits") {
            counted = limits::read(list, params, &raw.sensitive, errors);
        }
        if let Some(list) = node.get("escalate") {
            let totals: Vec<String> = counted.iter().map(|limit| limit.name().to_owned()).collect();
            let names = Names::any()
                .with_params(params, &raw.sensitive)
                .with_totals(&totals);
            let observed = node.get("observe").is_some();
            let names = if observed { names } else { names.without_observed() };
            conditions = escalate::read(list, &names, errors);
        }
        let uses = Uses {
            node,
            params,
            sensitive: &raw.sensitive,
        };
        uses.sensitive(errors);
        if let Some(resource) = &resource {
            uses.resource(resource, errors);
        }
        let before = [
            ("/observe/http", observe.as_ref().map(HttpObserve::request)),
            ("/dry_run/http", dry_run.as_ref().map(HttpDryRun::request)),
        ];
        for (at, request) in before
            .into_iter()
            .filter_map(|(at, request)| Some((at, request?)))
        {
            uses.request(at, request, errors);
        }
        uses.connectors(execute.as_ref(), errors);
        describe::check(
            &raw.describe,
            params,
            &raw.sensitive,
            node.mark_at("/describe"),
            errors,
        );
    }
    let action = Action {
        system: raw.system.unwrap_or_else(|| name.domain().into()),
        name,
        summary: raw.summary,
        resource: resource?,
        impact: raw.impact,
        data: raw.data.into_iter().collect(),
        rollback: rollback?,
        raci: raci?,
        params: params?,
        describe: raw.describe,
        escalate: conditions,
        limits: counted,
        checks: raw.checks,
        sensitive: raw.sensitive,
        observe,
        dry_run,
        execute: execute?,
    };
    (errors.len() == before).then_some(action)
}

fn keep<T>(read: Option<Result<T, Vec<Fault>>>, rule: Rule, errors: &mut Errors) -> Option<T> {
    match read? {
        Ok(value) => Some(value),
        Err(faults) => {
            faults.into_iter().for_each(|fault| errors.fault(rule, fault));
            None
        }
    }
}

fn check_words(raw: &RawAction, node: &Node, around: Around<'_>, errors: &mut Errors) {
    let lines = [("summary", Some(&raw.summary)), ("system", raw.system.as_ref())];
    for (field, text) in lines.into_iter().filter_map(|(field, text)| Some((field, text?))) {
        if text.trim().is_empty() || text.len() > 200 || text.chars().any(char::is_control) {
            let message = format!("`{field}` must be one line of 1 to 200 characters");
            errors.add(Rule::Syntax, node.mark_at(&format!("/{field}")), message);
        }
    }
    if raw.data.is_empty() {
        let message = "`data` is empty; name the classes of data it touches, `public` at least";
        errors.add(Rule::Syntax, node.mark_at("/data"), message);
    }
    let twice = |index: usize, first: Option<usize>| first.is_some_and(|first| first < index);
    for (class, index) in raw.data.iter().zip(0..) {
        if twice(index, raw.data.iter().position(|other| other == class)) {
            let mark = node.mark_at(&format!("/data/{index}"));
            errors.add(Rule::Duplicate, mark, format!("`{class}` appears twice"));
        }
    }
    for (check, index) in raw.checks.iter().zip(0..) {
        if twice(index, raw.checks.iter().position(|other| other == check)) {
            let mark = node.mark_at(&format!("/checks/{index}"));
            errors.add(
                Rule::Duplicate,
                mark,
                format!("the check `{check}` appears twice"),
            );
        }
        let known = || around.checks.iter().copied().chain([LIMITS]);
        let mark = node.mark_at(&format!("/checks/{index}"));
        if !known().any(|known| known == check.as_str()) {
            errors.unknown(mark, "check", check.as_str(), known());
        }
        if check.as_str() == LIMITS && node.get("limits").is_none() {
            let message = "the check `limits` has nothing to show: the action declares no `limits`";
            errors.add(Rule::Limits, mark, message);
        }
    }
}

fn read_raci(raw: &RawRaci, node: &Node, around: Around<'_>, errors: &mut Errors) -> Option<Raci> {
    let before = errors.len();
    if !around.agents.contains(raw.responsible.as_str()) {
        let mark = node.mark_at("/raci/responsible");
        errors.unknown(
            mark,
            "agent",
            raw.responsible.as_str(),
            around.agents.iter().copied(),
        );
    }
    let mut party = |name: &String, at: String| {
        let person = name.parse().ok().filter(|name| around.people.get(name).is_some());
        let team = name.parse().ok().filter(|name| around.people.has_team(name));
        let found = person.map(Party::Person).or(team.map(Party::Team));
        if found.is_none() && !around.people.mentions(name) {
            let known = around.people.teams().chain(around.people.names());
            errors.unknown(node.mark_at(&at), "team or person", name, known);
        }
        found
    };
    let accountable = party(&raw.accountable, "/raci/accountable".into());
    let mut list = |names: &[String], field: &str| -> Vec<Party> {
        let numbered = names.iter().zip(0..);
        numbered
            .filter_map(|(name, index)| party(name, format!("/raci/{field}/{index}")))
            .collect()
    };
    let consulted = list(&raw.consulted, "consulted");
    let informed = list(&raw.informed, "informed");
    (errors.len() == before).then_some(Raci {
        responsible: raw.responsible.clone(),
        accountable: accountable?,
        consulted,
        informed,
    })
}

/// Where an action's parameters are used.
struct Uses<'a> {
    node: &'a Node,
    params: &'a ParamSchema,
    sensitive: &'a [ParamPath],
}

impl Uses<'_> {
    fn sensitive(&self, errors: &mut Errors) {
        for (param, index) in self.sensitive.iter().zip(0..) {
            self.must_exist(param, &format!("/sensitive/{index}"), errors);
        }
    }

    fn resource(&self, resource: &ResourcePattern, errors: &mut Errors) {
        for param in resource.params() {
            let mark = self.node.mark_at("/resource");
            if !self.must_exist(param, "/resource", errors) {
                continue;
            }
            if !self.params.is_always_there(param) {
                let message = format!("`{param}` stands in the resource but is not `required` in the schema");
                errors.add(Rule::Resource, mark, message);
            }
            self.must_be_scalar(param, "/resource", Rule::Resource, errors);
            self.must_not_be_sensitive(param, "the resource", "/resource", errors);
        }
    }

    fn request(&self, at: &str, request: &HttpRequest, errors: &mut Errors) {
        self.in_url(request.url().params(), &format!("{at}/url"), errors);
        let params = request.body().map(BodyTemplate::params).unwrap_or_default();
        self.in_body(params, &format!("{at}/body"), errors);
    }

    fn connectors(&self, execute: Option<&Execute>, errors: &mut Errors) {
        for Placed { at, connector } in execute.map(Execute::connectors).unwrap_or_default() {
            self.in_url(connector.url_params(), &format!("{at}/url"), errors);
            let body = format!("{at}/{}", connector.body_field());
            self.in_body(connector.body_params(), &body, errors);
            if let Some(workflow) = connector.workflow() {
                self.in_inputs(workflow.params(), &body, errors);
            }
        }
    }

    /// GitHub shows the inputs of a run to everybody who may read the repository, and takes them as text.
    fn in_inputs(&self, params: Vec<&ParamPath>, at: &str, errors: &mut Errors) {
        for param in params {
            let place = self.place_in(at, param);
            let what = "the inputs of a workflow, which GitHub shows";
            self.must_not_be_sensitive(param, what, &place, errors);
            let kind = self.params.find(param).and_then(|schema| schema.get("type"));
            let text = ["string", "integer", "number", "boolean"];
            if kind.is_some_and(|kind| !text.iter().any(|text| kind == text)) {
                let message = format!(
                    "`{param}` must be `type: string`, `integer`, `number` or `boolean` to be an input of a workflow"
                );
                errors.add(Rule::Connector, self.node.mark_at(&place), message);
            }
        }
    }

    fn in_url<'p>(&self, params: impl IntoIterator<Item = &'p ParamPath>, at: &str, errors: &mut Errors) {
        for param in params {
            if !self.must_exist(param, at, errors) {
                continue;
            }
            if !self.params.is_always_there(param) {
                let message = format!("`{param}` stands in the URL but is not `required` in the schema");
                errors.add(Rule::Connector, self.node.mark_at(at), message);
            }
            self.must_be_scalar(param, at, Rule::Connector, errors);
            self.must_not_be_sensitive(param, "a URL, which logs keep", at, errors);
        }
    }

    fn in_body(&self, params: Vec<&ParamPath>, at: &str, errors: &mut Errors) {
        for param in params {
            let place = self.place_in(at, param);
            self.must_exist(param, &place, errors);
        }
    }

    /// The pointer of the leaf of a body that names a parameter.
    fn place_in(&self, at: &str, param: &ParamPath) -> String {
        let text = format!("${{{param}}}");
        let leaf = self.node.at(at).and_then(|body| body.find_text(&text));
        leaf.map_or_else(|| at.into(), |leaf| format!("{at}{leaf}"))
    }

    fn must_exist(&self, param: &ParamPath, at: &str, errors: &mut Errors) -> bool {
        let exists = self.params.find(param).is_some();
        if !exists {
            let paths = self.params.paths();
            let known = paths.iter().map(String::as_str);
            let fault = unknown(self.node.mark_at(at), "parameter", &param.dotted(), known);
            errors.fault(Rule::UnknownName, fault);
        }
        exists
    }

    fn must_be_scalar(&self, param: &ParamPath, at: &str, rule: Rule, errors: &mut Errors) {
        let kind = self.params.find(param).and_then(|schema| schema.get("type"));
        if !kind.is_some_and(|kind| kind == "string" || kind == "integer") {
            let message = format!("`{param}` must be `type: string` or `type: integer` to stand here");
            errors.add(rule, self.node.mark_at(at), message);
        }
    }

    fn must_not_be_sensitive(&self, param: &ParamPath, what: &str, at: &str, errors: &mut Errors) {
        let hidden = |other: &ParamPath| param.is_within(other) || other.is_within(param);
        if self.sensitive.iter().any(hidden) {
            let message = format!("`{param}` is sensitive and can't stand in {what}; use another parameter");
            errors.add(Rule::Sensitive, self.node.mark_at(at), message);
        }
    }
}
