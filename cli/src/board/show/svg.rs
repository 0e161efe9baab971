//! A picture under construction: boxes, lines and text of an SVG file.

use std::fmt::Write as _;

/// Where something is, in pixels from the top left.
#[derive(Clone, Copy)]
pub struct Place {
    /// From the left.
    pub x: u32,
    /// From the top.
    pub y: u32,
    /// To the right.
    pub width: u32,
    /// Down.
    pub height: u32,
}

/// How text is set.
#[derive(Clone, Copy)]
pub enum Style {
    /// A heading of the picture.
    Title,
    /// The name of a box.
    Name,
    /// Anything else.
    Plain,
    /// Beside something more important.
    Faint,
    /// Numbers that are compared with each other.
    Number,
}

impl Style {
    fn class(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Name => "name",
            Self::Plain => "plain",
            Self::Faint => "faint",
            Self::Number => "number",
        }
    }
}

/// The elements so far.
#[derive(Default)]
pub struct Svg {
    body: String,
    bottom: u32,
}

const STYLE: &str = "text { font-family: 'DejaVu Sans', Verdana, sans-serif; font-size: 11px; fill: #1b1f23 } \
    .title { font-size: 18px; font-weight: bold } .name { font-weight: bold } .faint { fill: #57606a } \
    .number { font-family: 'DejaVu Sans Mono', monospace; font-size: 10px } \
    rect { stroke: #57606a; stroke-width: 1 } line { stroke: #1b1f23; stroke-width: 1.5 }";

impl Svg {
    /// A box with a colour, which may say more about itself on hovering.
    pub fn rectangle(&mut self, place: Place, fill: &str, hint: &str) {
        let Place { x, y, width, height } = place;
        self.bottom = self.bottom.max(y + height);
        let _ = writeln!(
            self.body,
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="{fill}"><title>{}</title></rect>"#,
            escape(hint)
        );
    }

    /// Text that begins at a point, its foot there.
    pub fn text(&mut self, x: u32, y: u32, style: Style, text: &str) {
        self.set(x, y, style, "start", text);
    }

    /// Text that ends at a point.
    pub fn text_to(&mut self, x: u32, y: u32, style: Style, text: &str) {
        self.set(x, y, style, "end", text);
    }

    fn set(&mut self, x: u32, y: u32, style: Style, anchor: &str, text: &str) {
        self.bottom = self.bottom.max(y + 4);
        let class = style.class();
        let _ = writeln!(
            self.body,
            r#"<text x="{x}" y="{y}" class="{class}" text-anchor="{anchor}">{}</text>"#,
            escape(text)
        );
    }

    /// A vertical line from one height to another, with a head where it points, up or down.
    pub fn arrow(&mut self, x: u32, from: u32, to: u32) {
        self.bottom = self.bottom.max(from).max(to);
        let _ =
            writeln!(self.body, r#"<line x1="{x}" y1="{from}" x2="{x}" y2="{to}" marker-end="url(#head)"/>"#);
    }

    /// The lowest edge so far.
    pub fn bottom(&self) -> u32 {
        self.bottom
    }

    /// The file.
    pub fn finish(self, width: u32, title: &str) -> String {
        let height = self.bottom + 20;
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\">\n<title>{}</title>\n<style>{STYLE}</style>\n\
             <defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"6\" markerHeight=\"6\" \
             orient=\"auto\"><path d=\"M0 0 L8 4 L0 8 z\" fill=\"#1b1f23\"/></marker></defs>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\" style=\"stroke: none\"/>\n{}</svg>\n",
            escape(title),
            self.body
        )
    }
}

/// Text as XML has it. Control characters, which XML has no way to write, become spaces.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}
