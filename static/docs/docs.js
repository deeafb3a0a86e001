/** Shows this server's OpenAPI document: what may be asked, and the form of the answers. */

import { element } from "../demo/element.js";

/**
 * @typedef {{$ref?: string, type?: string, format?: string, enum?: unknown[], const?: unknown, anyOf?: Schema[],
 *   items?: Schema, properties?: Record<string, Schema>, required?: string[], description?: string,
 *   default?: unknown, minimum?: number, maximum?: number}} Schema
 * @typedef {{name: string, in: string, required: boolean, description?: string, schema: Schema}} Parameter
 * @typedef {{description: string, content?: Record<string, {schema: Schema}>}} Answer
 * @typedef {{operationId: string, summary: string, parameters: Parameter[],
 *   responses: Record<string, Answer>}} Operation
 * @typedef {{info: {description: string}, paths: Record<string, Record<string, Operation>>,
 *   components: {schemas: Record<string, Schema>}}} OpenApi
 */

const about = element("about");
try {
  const response = await fetch("api/v1/openapi.json");
  if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  show(/** @type {OpenApi} */ (await response.json()));
} catch (error) {
  about.textContent = `The description cannot be shown. ${error instanceof Error ? error.message : ""}`;
}

/** @param {OpenApi} api */
function show(api) {
  about.textContent = api.info.description;
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const title = `${method.toUpperCase()} ${path}`;
      const link = made("a", title);
      link.href = `#${operation.operationId}`;
      element("contents").append(around("li", link));
      element("operations").append(operationSection(title, operation));
    }
  }
  for (const [name, schema] of Object.entries(api.components.schemas)) {
    element("schemas").append(schemaSection(name, schema));
  }
  // The browser looked for the place before there was one.
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

/** @param {string} title @param {Operation} operation */
function operationSection(title, operation) {
  const section = made("section");
  section.id = operation.operationId;
  section.className = "panel operation";
  section.append(around("h2", made("code", title)), made("p", operation.summary));
  if (operation.parameters.length) {
    section.append(made("h3", "Parameters"), fields(operation.parameters.map((parameter) => [
      parameter.required ? `${parameter.name} (needed)` : parameter.name,
      parameter.schema,
      parameter.description ?? "",
    ])));
  }
  const answers = made("dl");
  answers.className = "fields";
  for (const [status, answer] of Object.entries(operation.responses)) {
    const described = made("dd", answer.description);
    for (const [type, { schema }] of Object.entries(answer.content ?? {})) {
      described.append(`: ${type}, `, kind(schema));
    }
    answers.append(made("dt", status), described);
  }
  section.append(made("h3", "Answers"), answers);
  return section;
}

/** @param {string} name @param {Schema} schema */
function schemaSection(name, schema) {
  const section = made("section");
  section.id = name;
  section.className = "schema";
  section.append(made("h3", name));
  if (schema.description) section.append(made("p", schema.description));
  if (schema.properties) {
    section.append(fields(Object.entries(schema.properties).map(([field, form]) => [field, form, form.description ?? ""])));
  } else {
    section.append(around("p", kind(schema)));
  }
  return section;
}

/** @param {[name: string, schema: Schema, description: string][]} rows */
function fields(rows) {
  const list = made("dl");
  list.className = "fields";
  for (const [name, schema, description] of rows) {
    const value = made("dd");
    value.append(kind(schema), limits(schema), description && ` – ${description}`);
    list.append(made("dt", name), value);
  }
  return list;
}

/** The kind of a value, with a link where it has a name. @param {Schema} schema @returns {HTMLElement} */
function kind(schema) {
  const shown = made("span");
  shown.className = "kind";
  if (schema.$ref) {
    const name = schema.$ref.split("/").at(-1) ?? "";
    const link = made("a", name);
    link.href = `#${name}`;
    shown.append(link);
  } else if (schema.anyOf) {
    schema.anyOf.forEach((one, index) => shown.append(index ? " | " : "", kind(one)));
  } else if (schema.enum) {
    shown.textContent = schema.enum.join(" | ");
  } else if (schema.items) {
    shown.append("list of ", kind(schema.items));
  } else {
    shown.textContent = schema.format ?? schema.type ?? "anything";
  }
  return shown;
}

/** @param {Schema} schema */
function limits(schema) {
  const said = [];
  if (schema.minimum !== undefined && schema.maximum !== undefined) said.push(`${schema.minimum} to ${schema.maximum}`);
  if (schema.default !== undefined) said.push(`${schema.default} if absent`);
  return said.length ? ` (${said.join("; ")})` : "";
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {string} [text]
 * @returns {HTMLElementTagNameMap[T]}
 */
function made(tag, text = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  return node;
}

/** @param {keyof HTMLElementTagNameMap} tag @param {HTMLElement} inner */
function around(tag, inner) {
  const node = made(tag);
  node.append(inner);
  return node;
}
