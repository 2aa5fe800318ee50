// Shows the OpenAPI document with Swagger UI, so that "Try it out" sends nothing that the reader did not choose.

const STREAMS = new Set(['streamEvents']);

/** Say a value as it stands in a URL or a header. */
function shown(value) {
  return [value].flat().join(', ');
}

/** Move examples and defaults of optional parameters into their texts: Swagger UI would send them. */
function quiet(parameter) {
  const invented = parameter.schema.format === 'uuid'; // no task has the id of an example
  if (parameter.required && !invented) return parameter;
  const { example, ...rest } = parameter;
  const { default: _, ...schema } = parameter.schema;
  const text = example === undefined || invented ? '' : `\n\nExample: \`${shown(example)}\``;
  return { ...rest, schema, description: `${parameter.description}${text}` };
}

function prepared(document) {
  for (const methods of Object.values(document.paths)) {
    for (const operation of Object.values(methods)) {
      operation.parameters = (operation.parameters ?? []).map(quiet);
      operation.description = operation.description.replaceAll('$TASKPULSE_URL', location.origin);
    }
  }
  for (const tag of document.tags) tag.description = tag.description.replaceAll('$TASKPULSE_URL', location.origin);
  return document;
}

/** A stream never ends, and Swagger UI would wait for its end: such a call shows a curl line instead. */
const withoutStreams = {
  statePlugins: {
    spec: {
      wrapSelectors: {
        allowTryItOutFor: (_, system) => (_state, path, method) => {
          const operation = system.specSelectors.specJson().getIn(['paths', path, method, 'operationId']);
          return !STREAMS.has(operation);
        },
      },
    },
  },
};

const LEVELS = { 'h3.opblock-tag': 2, '.opblock h4': 3, '.opblock h5': 4, '.models h4': 2 };

/** Say of each control and region what it is, which Swagger UI leaves out (WCAG 2.2). */
function makeAccessible(root) {
  const each = (selector, change) => root.querySelectorAll(selector).forEach(change);
  for (const [selector, level] of Object.entries(LEVELS)) {
    each(selector, (heading) => {
      heading.role = 'heading';
      heading.ariaLevel = level;
    });
  }
  each('.information-container, .schemes-server-container', (part, number) => {
    part.role = 'region';
    part.ariaLabel = ['About this API', 'Server and key'][number];
  });
  each('pre', (block) => { block.tabIndex = 0; });
  each('.opblock-summary-control a[href]', (link) => { link.removeAttribute('href'); }); // it is inside of a button
  each('select', (select) => { select.ariaLabel ??= select.closest('tr')?.dataset.paramName ?? 'Media type or example'; });
  each('textarea', (text) => { text.ariaLabel ??= text.closest('tr')?.dataset.paramName ?? 'Request body'; });
  each('button.json-schema-2020-12-accordion', (button) => { if (!button.innerText) button.ariaLabel = 'Details'; });
  each('.responses-table', (table, number) => { table.ariaLabel = `Responses ${number + 1}`; });
}

function followColours() {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
  dark.addEventListener('change', follow);
  follow();
}

followColours();
const root = document.getElementById('docs');
new MutationObserver(() => makeAccessible(root)).observe(root, { childList: true, subtree: true });
show();

async function show() {
  const response = await fetch('/openapi.json');
  SwaggerUIBundle({
    spec: prepared(await response.json()),
    domNode: root,
    deepLinking: true,
    validatorUrl: null,
    defaultModelsExpandDepth: 0,
    plugins: [withoutStreams],
  });
}
