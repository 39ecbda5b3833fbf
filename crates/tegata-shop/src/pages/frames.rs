//! The frames with the sealed form, on an origin of the shop's that serves nothing else.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::header;
use tegata_http::same_origin::{host_of, origin_of};
use tegata_pages::Language;
use tegata_pages::order::{FieldKind, Form, FormField, Forms, Pins};
use tower::ServiceExt as _;

use super::MESSAGES;
use super::cart::FORM;
use crate::catalogue::goods::{Asked, Need};
use crate::orders::Sealing;
use crate::shop::Shop;

/// The routes of the frames' origin.
pub fn router(shop: &Arc<Shop>) -> Router {
    tegata_pages::order::frames(Arc::new(OrderForms(Arc::clone(shop))))
}

/// One server for both origins: requests under the frames' name get the frames, all others the shop.
pub fn beside(shop: Router, frames: Router, name: String) -> Router {
    Router::new().fallback(move |request: Request| {
        let host = request
            .headers()
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let router = match host.is_some_and(|host| host_of(host) == name) {
            true => frames.clone(),
            false => shop.clone(),
        };
        router.oneshot(request)
    })
}

struct OrderForms(Arc<Shop>);

impl Forms for OrderForms {
    fn form(&self, name: &str, language: Language) -> Option<Form> {
        let t = MESSAGES.of(language);
        let goods = &self.0.catalogue().goods;
        (name == FORM).then(|| Form {
            title: t.text("checkout.form").to_owned(),
            fields: goods
                .form
                .asked()
                .map(|(asked, need)| field(language, asked, need))
                .collect(),
            card: self.0.credit_certificate().is_some(),
            typed: self
                .0
                .sealing()
                .is_some_and(|sealing| sealing.rules.scheme.layers() > 0),
            button: t.text("checkout.order").to_owned(),
            erase: goods.form.erase,
        })
    }

    fn pins(&self) -> Pins {
        let registered = self.0.registered();
        Pins {
            shop_origin: origin_of(registered.address()),
            recipient: registered.number().wire(),
            shop_key: *registered.keys.signing().verifying_key().as_bytes(),
            service_key: self.0.sealing().and_then(Sealing::service_key),
            root_key: Some(*registered.identity.root.as_bytes()),
        }
    }
}

fn field(language: Language, asked: Asked, need: Need) -> FormField {
    let t = MESSAGES.of(language);
    let (kind, label, hint, autocomplete) = match asked {
        Asked::Name => (FieldKind::Text, "field.name", "", "name"),
        Asked::PostalCode => (
            FieldKind::PostalCode,
            "field.postal_code",
            "",
            "postal-code",
        ),
        Asked::Address => (
            FieldKind::Area,
            "field.address",
            "field.address_hint",
            "street-address",
        ),
        Asked::Phone => (
            FieldKind::Telephone,
            "field.phone",
            "field.phone_hint",
            "tel",
        ),
        Asked::Mail => (FieldKind::Email, "field.mail", "field.mail_hint", "email"),
        Asked::Note => (FieldKind::Area, "field.note", "", "off"),
    };
    FormField {
        name: asked.word().to_owned(),
        label: t.text(label).to_owned(),
        hint: if hint.is_empty() {
            String::new()
        } else {
            t.text(hint).to_owned()
        },
        kind,
        required: need == Need::Required,
        autocomplete: autocomplete.to_owned(),
    }
}
