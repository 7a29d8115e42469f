//! How an action is carried out: its steps in order, and how each is taken back.

use schemars::JsonSchema;
use serde::{Deserialize, de::IgnoredAny};

use super::{
    body::BodyTemplate,
    command::{CommandExecute, RawCommand},
    error::unknown,
    http::{HttpExecute, RawExecute},
    param::ParamPath,
    thaw::{RawThaw, Thaw},
    workflow::{RawWorkflow, WorkflowExecute},
};
use crate::domain::{
    ids::StepName,
    source::{Fault, Node},
};

/// The most steps of an action.
const MAX_STEPS: usize = 16;
/// What carries out a whole action.
const WHOLE: &[&str] = &["http", "command", "actions", "thaw"];
/// What carries out one step of several, or takes it back.
const STEPS: &[&str] = &["http", "command", "actions"];

/// How an action is carried out; at least one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Execute {
    steps: Vec<StepRule>,
}

/// One step of an action.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRule {
    name: Option<StepName>,
    connector: Connector,
    undo: Option<Connector>,
}

/// Who carries a step out.
#[derive(Debug, Clone, PartialEq)]
pub enum Connector {
    /// One HTTP request.
    Http(HttpExecute),
    /// A program on the executor's machine.
    Command(CommandExecute),
    /// A workflow on GitHub's runners.
    Workflow(WorkflowExecute),
    /// A freeze ends.
    Thaw(Thaw),
}

/// Where a connector stands in an action, and what it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed<'a> {
    /// As in `/execute/steps/1/undo/http`.
    pub(super) at: String,
    pub(super) connector: &'a Connector,
}

impl Execute {
    /// The steps, in the order in which they are taken.
    pub fn steps(&self) -> &[StepRule] {
        &self.steps
    }

    /// Whether it ends a freeze, which a freeze does not stop. INVARIANT i22.
    pub fn thaws(&self) -> bool {
        self.thaw().is_some()
    }

    /// How it names the freeze that it ends, where it ends one.
    pub fn thaw(&self) -> Option<&Thaw> {
        self.steps.iter().find_map(|step| match &step.connector {
            Connector::Thaw(thaw) => Some(thaw),
            Connector::Http(_) | Connector::Command(_) | Connector::Workflow(_) => None,
        })
    }

    /// Whether it has a workflow run, which takes minutes, in a step or to take one back.
    pub fn dispatches(&self) -> bool {
        let workflow = |connector: &Connector| matches!(connector, Connector::Workflow(_));
        let mut steps = self.steps.iter();
        steps.any(|step| workflow(&step.connector) || step.undo.as_ref().is_some_and(workflow))
    }

    /// Every connector, with its place.
    pub(super) fn connectors(&self) -> Vec<Placed<'_>> {
        let mut found = Vec::new();
        for (step, index) in self.steps.iter().zip(0..) {
            let at = match step.name {
                Some(_) => format!("/execute/steps/{index}"),
                None => "/execute".to_owned(),
            };
            let undo = step.undo.iter().map(|undo| (format!("{at}/undo"), undo));
            for (at, connector) in [(at.clone(), &step.connector)].into_iter().chain(undo) {
                let at = format!("{at}/{}", connector.kind());
                found.push(Placed { at, connector });
            }
        }
        found
    }

    pub(super) fn read(node: &Node) -> Result<Self, Vec<Fault>> {
        let Some(list) = node.get("steps") else {
            let step = StepRule {
                name: None,
                connector: Connector::read(node, WHOLE)?,
                undo: None,
            };
            return Ok(Self { steps: vec![step] });
        };
        let mut faults = Vec::new();
        for (key, _) in node.entries().iter().filter(|(key, _)| key.text() != "steps") {
            let message = format!("`{}` can't stand beside `steps`; make it a step", key.text());
            faults.push(Fault::new(key.mark(), message));
        }
        let items = list.items();
        if items.is_empty() || items.len() > MAX_STEPS {
            let message =
                format!("expected a list of 1 to {MAX_STEPS} steps, each with `name` and a connector");
            faults.push(Fault::new(list.mark(), message));
        }
        let mut steps: Vec<StepRule> = Vec::new();
        for item in items {
            match StepRule::read(item) {
                Ok(step) if steps.iter().any(|other| other.name == step.name) => {
                    let message = "two steps have this name; results are told apart by it";
                    faults.push(Fault::new(item.mark_at("/name"), message));
                }
                Ok(step) => steps.push(step),
                Err(wrong) => faults.extend(wrong),
            }
        }
        if faults.is_empty() {
            Ok(Self { steps })
        } else {
            Err(faults)
        }
    }
}

impl StepRule {
    /// Its name; an action of one step may have none.
    pub fn name(&self) -> Option<&StepName> {
        self.name.as_ref()
    }
    /// What carries it out.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }
    /// What takes it back when a later step fails.
    pub fn undo(&self) -> Option<&Connector> {
        self.undo.as_ref()
    }

    fn read(node: &Node) -> Result<Self, Vec<Fault>> {
        let raw: RawStep = node.decode().map_err(|fault| vec![fault])?;
        let connector = Connector::read(node, STEPS);
        let undo = node.get("undo").map(|undo| Connector::read(undo, STEPS));
        let undo = undo.transpose();
        match (connector, undo) {
            (Ok(connector), Ok(undo)) => Ok(Self {
                name: Some(raw.name),
                connector,
                undo,
            }),
            (connector, undo) => Err(connector.err().into_iter().chain(undo.err()).flatten().collect()),
        }
    }
}

impl Connector {
    /// The key that it stands under.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Command(_) => "command",
            Self::Workflow(_) => "actions",
            Self::Thaw(_) => "thaw",
        }
    }
    /// The workflow, when it is one.
    pub const fn workflow(&self) -> Option<&WorkflowExecute> {
        match self {
            Self::Workflow(workflow) => Some(workflow),
            Self::Http(_) | Self::Command(_) | Self::Thaw(_) => None,
        }
    }
    /// The request, when it is one over HTTP.
    pub const fn http(&self) -> Option<&HttpExecute> {
        match self {
            Self::Http(http) => Some(http),
            Self::Command(_) | Self::Workflow(_) | Self::Thaw(_) => None,
        }
    }
    /// The parameters put into an address.
    pub(super) fn url_params(&self) -> Vec<&ParamPath> {
        match self {
            Self::Http(http) => http.request().url().params().collect(),
            Self::Command(_) | Self::Workflow(_) | Self::Thaw(_) => Vec::new(),
        }
    }
    /// The parameters put into a body.
    pub(super) fn body_params(&self) -> Vec<&ParamPath> {
        match self {
            Self::Http(http) => http
                .request()
                .body()
                .map(BodyTemplate::params)
                .unwrap_or_default(),
            Self::Command(command) => command.params(),
            Self::Workflow(workflow) => workflow.params(),
            Self::Thaw(thaw) => vec![thaw.freeze()],
        }
    }
    /// The field that holds the body.
    pub(super) const fn body_field(&self) -> &'static str {
        match self {
            Self::Http(_) | Self::Thaw(_) => "body",
            Self::Command(_) => "stdin",
            Self::Workflow(_) => "inputs",
        }
    }

    fn read(node: &Node, known: &[&str]) -> Result<Self, Vec<Fault>> {
        match connector(node, known)? {
            ("command", command) => CommandExecute::read(command).map(Self::Command),
            ("actions", workflow) => WorkflowExecute::read(workflow).map(Self::Workflow),
            ("thaw", thaw) => Thaw::read(thaw).map(Self::Thaw),
            (_, http) => HttpExecute::read(http).map(Self::Http),
        }
    }
}

/// What may stand beside a step's connector.
const BESIDE: &[&str] = &["name", "undo"];

/// The one connector of a mapping.
pub(super) fn connector<'a>(node: &'a Node, known: &[&str]) -> Result<(&'a str, &'a Node), Vec<Fault>> {
    let mut found = node
        .entries()
        .iter()
        .filter(|(key, _)| !BESIDE.contains(&key.text()));
    match (found.next(), found.next()) {
        (Some((key, connector)), None) if known.contains(&key.text()) => Ok((key.text(), connector)),
        (Some((key, _)), None) => {
            let known = known.iter().copied();
            Err(vec![unknown(key.mark(), "connector", key.text(), known)])
        }
        _ => {
            let message = "expected one connector, as in `http: { ... }`";
            Err(vec![Fault::new(node.mark(), message)])
        }
    }
}

/// How the bot carries an action out.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(
    dead_code,
    reason = "only its schema is wanted; the places of mistakes are told from the tree"
)]
pub(super) enum Executing {
    /// In one step.
    One(OneConnector),
    /// By ending a freeze.
    Thaw(ThawConnector),
    /// In steps; when one fails, those before it are undone.
    Steps(Steps),
}

/// What carries a step out, or takes it back.
#[derive(JsonSchema)]
pub(super) enum OneConnector {
    /// One HTTP request.
    #[serde(rename = "http")]
    _Http(RawExecute),
    /// A program on the executor's machine.
    #[serde(rename = "command")]
    _Command(RawCommand),
    /// A workflow on GitHub's runners.
    #[serde(rename = "actions")]
    _Workflow(RawWorkflow),
}

/// What ends a freeze.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ThawConnector {
    /// Ends a freeze; such an action is always of the high tier.
    #[serde(rename = "thaw")]
    _thaw: RawThaw,
}

/// Steps, in the order in which they are taken.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Steps {
    /// Steps, in the order in which they are taken; 16 at most.
    #[serde(rename = "steps")]
    #[schemars(length(min = 1, max = 16))]
    _steps: Vec<RawStep>,
}

/// One step.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawStep {
    /// What the step is called, in results and on the pull request.
    name: StepName,
    /// One HTTP request.
    #[serde(rename = "http")]
    #[schemars(with = "Option<RawExecute>")]
    _http: Option<IgnoredAny>,
    /// A program on the executor's machine.
    #[serde(rename = "command")]
    #[schemars(with = "Option<RawCommand>")]
    _command: Option<IgnoredAny>,
    /// A workflow on GitHub's runners.
    #[serde(rename = "actions")]
    #[schemars(with = "Option<RawWorkflow>")]
    _workflow: Option<IgnoredAny>,
    /// What takes the step back when a later one fails.
    #[serde(rename = "undo")]
    #[schemars(with = "Option<OneConnector>")]
    _undo: Option<IgnoredAny>,
}
