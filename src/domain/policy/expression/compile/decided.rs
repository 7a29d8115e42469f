//! What the name of the action alone decides.

use cel::{
    IdedExpr,
    common::ast::{Expr, LiteralValue, operators},
};

/// Whether a part is true or false for every proposal of an action: rules that several actions share tell them apart by
/// `action == 'name'`, and what they then ask of another action is never asked of this one.
pub(super) fn decided(of: &IdedExpr, action: Option<&str>) -> Option<bool> {
    let text = |of: &IdedExpr| match &of.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner().to_owned()),
        Expr::Ident(name) if name == "action" => action.map(str::to_owned),
        _ => None,
    };
    match &of.expr {
        Expr::Literal(LiteralValue::Boolean(value)) => Some(*value.inner()),
        Expr::Call(call) if call.target.is_none() => {
            let inner = |of| decided(of, action);
            match (call.func_name.as_str(), call.args.as_slice()) {
                (operators::EQUALS, [one, other]) => Some(text(one)? == text(other)?),
                (operators::NOT_EQUALS, [one, other]) => Some(text(one)? != text(other)?),
                (operators::IN, [one, list]) => {
                    let Expr::List(list) = &list.expr else {
                        return None;
                    };
                    let all: Option<Vec<String>> = list.elements.iter().map(text).collect();
                    Some(all?.contains(&text(one)?))
                }
                (operators::LOGICAL_NOT, [of]) => inner(of).map(|holds| !holds),
                (operators::LOGICAL_AND, [one, other]) => match (inner(one), inner(other)) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (one, other) => Some(one? && other?),
                },
                (operators::LOGICAL_OR, [one, other]) => match (inner(one), inner(other)) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (one, other) => Some(one? || other?),
                },
                _ => None,
            }
        }
        _ => None,
    }
}
