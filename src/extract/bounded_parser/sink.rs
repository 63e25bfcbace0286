//! The tree that the HTML parser builds, with counters that enforce the limits.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use dom_query::{Document, NodeData, NodeId, TreeNode};
use html5ever::tendril::StrTendril;
use html5ever::tree_builder::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::{Attribute, QualName};

use crate::extract::document::Limits;
use crate::extract::error::ExtractError;

/// Minimum size of an element in the source (`<p>`), in bytes. A parser adds implied elements, such as those that it
/// reopens in every paragraph. A page is hostile if these outnumber both the others and all elements that its size
/// allows.
const TAG_BYTES: usize = 3;
const IMPLIED: usize = 1_000;

/// A document being built, with counters.
pub(super) struct Sink {
    document: Document,
    limits: Limits,
    depths: RefCell<HashMap<NodeId, usize>>,
    elements: Cell<usize>,
    max_elements: usize,
    attributes: Cell<usize>,
    /// Names of the attributes of `<html>` and `<body>`: each repeated tag adds to the existing element.
    merged: RefCell<HashMap<NodeId, HashSet<QualName>>>,
    /// The one comment. Comments are not part of an article, so none is added to the tree.
    comment: Cell<Option<NodeId>>,
    refused: Cell<Option<Refusal>>,
}

#[derive(Clone, Copy)]
enum Refusal {
    Deep,
    Elements,
    Attributes,
    AllAttributes,
}

impl Sink {
    pub(super) fn new(html: &str, limits: &Limits) -> Self {
        Self {
            max_elements: limits.max_elements.min(IMPLIED + html.len() / TAG_BYTES),
            document: Document::default(),
            limits: limits.clone(),
            depths: RefCell::default(),
            elements: Cell::new(0),
            attributes: Cell::new(0),
            merged: RefCell::default(),
            comment: Cell::new(None),
            refused: Cell::new(None),
        }
    }

    pub(super) fn into_document(self) -> Document {
        self.document
    }

    /// Returns the error of the limit that was exceeded, if any.
    pub(super) fn check(&self) -> Result<(), ExtractError> {
        match self.refused.get() {
            None => Ok(()),
            Some(Refusal::Deep) => Err(ExtractError::TooDeep { limit: self.limits.max_depth }),
            Some(Refusal::Elements) => Err(ExtractError::TooManyElements { limit: self.max_elements }),
            Some(Refusal::Attributes) => Err(ExtractError::TooManyAttributes { limit: self.limits.max_attributes }),
            Some(Refusal::AllAttributes) => {
                let max = self.limits.max_all_attributes as u64;
                Err(ExtractError::TooComplex { limit: "attributes", max })
            }
        }
    }

    /// Updates the depths after a node was placed under or beside another.
    fn placed(&self, child: &NodeOrText<NodeId>, beside: &NodeId, deeper: usize) {
        let NodeOrText::AppendNode(child) = child else { return };
        let mut depths = self.depths.borrow_mut();
        let depth = depths.get(beside).copied().unwrap_or_default() + deeper;
        depths.insert(*child, depth);
        if depth > self.limits.max_depth {
            self.refused.set(Some(Refusal::Deep));
        }
    }

    fn is_comment(&self, child: &NodeOrText<NodeId>) -> bool {
        matches!(child, NodeOrText::AppendNode(id) if self.comment.get() == Some(*id))
    }

    /// Counts attributes added to an element that has `context` ones.
    fn count_attributes(&self, context: usize, count: usize) {
        let all = self.attributes.get() + count;
        self.attributes.set(all);
        if context + count > self.limits.max_attributes {
            self.refused.set(Some(Refusal::Attributes));
        } else if all > self.limits.max_all_attributes {
            self.refused.set(Some(Refusal::AllAttributes));
        }
    }
}

impl TreeSink for Sink {
    type Handle = NodeId;
    type Output = Self;
    type ElemName<'a> = <Document as TreeSink>::ElemName<'a>;

    fn finish(self) -> Self {
        self
    }

    /// Ignored, since most pages have errors.
    fn parse_error(&self, _message: Cow<'static, str>) {}

    fn get_document(&self) -> NodeId {
        self.document.get_document()
    }

    fn elem_name<'a>(&'a self, target: &'a NodeId) -> Self::ElemName<'a> {
        self.document.elem_name(target)
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, flags: ElementFlags) -> NodeId {
        self.elements.set(self.elements.get() + 1);
        if self.elements.get() > self.max_elements {
            self.refused.set(Some(Refusal::Elements));
        }
        self.count_attributes(0, attributes.len());
        self.document.create_element(name, attributes, flags)
    }

    fn create_comment(&self, _text: StrTendril) -> NodeId {
        let comment = self.comment.get().unwrap_or_else(|| self.document.create_comment(StrTendril::new()));
        self.comment.set(Some(comment));
        comment
    }

    fn create_pi(&self, _target: StrTendril, _data: StrTendril) -> NodeId {
        self.create_comment(StrTendril::new())
    }

    fn append(&self, parent: &NodeId, child: NodeOrText<NodeId>) {
        if !self.is_comment(&child) {
            self.placed(&child, parent, 1);
            self.document.append(parent, child);
        }
    }

    fn append_based_on_parent_node(&self, element: &NodeId, previous: &NodeId, child: NodeOrText<NodeId>) {
        if !self.is_comment(&child) {
            self.placed(&child, previous, 1);
            self.document.append_based_on_parent_node(element, previous, child);
        }
    }

    fn append_doctype_to_document(&self, name: StrTendril, public_id: StrTendril, system_id: StrTendril) {
        self.document.append_doctype_to_document(name, public_id, system_id);
    }

    fn get_template_contents(&self, target: &NodeId) -> NodeId {
        let contents = self.document.get_template_contents(target);
        self.placed(&NodeOrText::AppendNode(contents), target, 1);
        contents
    }

    fn same_node(&self, one: &NodeId, other: &NodeId) -> bool {
        self.document.same_node(one, other)
    }

    fn set_quirks_mode(&self, mode: QuirksMode) {
        self.document.set_quirks_mode(mode);
    }

    fn append_before_sibling(&self, sibling: &NodeId, child: NodeOrText<NodeId>) {
        if !self.is_comment(&child) {
            self.placed(&child, sibling, 0);
            self.document.append_before_sibling(sibling, child);
        }
    }

    /// Passes on missing attributes only: looking one up in the element takes time proportional to their number.
    fn add_attrs_if_missing(&self, target: &NodeId, mut attributes: Vec<Attribute>) {
        let mut merged = self.merged.borrow_mut();
        let context = merged.entry(*target).or_insert_with(|| {
            let names = |node: &TreeNode| match &node.data {
                NodeData::Element(element) => element.attrs.iter().map(|attribute| attribute.name.clone()).collect(),
                _ => HashSet::new(),
            };
            self.document.tree.query_node_or(target, HashSet::new(), names)
        });
        let count = context.len();
        attributes.retain(|attribute| context.insert(attribute.name.clone()));
        if !attributes.is_empty() {
            self.count_attributes(count, attributes.len());
            self.document.add_attrs_if_missing(target, attributes);
        }
    }

    fn remove_from_parent(&self, target: &NodeId) {
        self.document.remove_from_parent(target);
    }

    fn reparent_children(&self, node: &NodeId, new_parent: &NodeId) {
        self.document.reparent_children(node, new_parent);
    }

    fn is_mathml_annotation_xml_integration_point(&self, handle: &NodeId) -> bool {
        self.document.is_mathml_annotation_xml_integration_point(handle)
    }
}
