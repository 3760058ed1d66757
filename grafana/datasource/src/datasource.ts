import {
  AdHocVariableFilter,
  AnnotationSupport,
  CoreApp,
  DataSourceGetTagValuesOptions,
  DataSourceInstanceSettings,
  MetricFindValue,
  ScopedVars,
} from '@grafana/data';
import { DataSourceWithBackend, TemplateSrv, getTemplateSrv } from '@grafana/runtime';
import { KEYS, LABEL, narrowed } from './adhoc';
import { QueryEditor } from './components/QueryEditor';
import { expand, expandAll } from './expand';
import { BeTraceOptions, BeTraceQuery, Choice, Kind } from './types';
import { Variables } from './variables';

const MOST = 1000; // values that the backend gives

export class DataSource extends DataSourceWithBackend<BeTraceQuery, BeTraceOptions> {
  annotations: AnnotationSupport<BeTraceQuery> = {
    QueryEditor,
    getDefaultQuery: () => ({ queryType: 'annotations' }),
    prepareQuery: ({ target }) => ({ ...target, refId: target?.refId ?? 'Annotation', queryType: 'annotations' }),
  };

  constructor(
    settings: DataSourceInstanceSettings<BeTraceOptions>,
    private readonly templates: TemplateSrv = getTemplateSrv()
  ) {
    super(settings);
    this.variables = new Variables(this);
  }

  getDefaultQuery(app: CoreApp): Partial<BeTraceQuery> {
    return app === CoreApp.Explore ? { queryType: 'violations' } : { queryType: 'timeseries', groupBy: ['severity'] };
  }

  applyTemplateVariables(query: BeTraceQuery, scoped: ScopedVars, filters?: AdHocVariableFilter[]): BeTraceQuery {
    const all = (texts?: string[]) => expandAll(texts, this.templates, scoped);
    const one = (text?: string) =>
      expand(text ?? '', this.templates, scoped)
        .join(' ')
        .trim();
    const made = {
      ...query,
      severities: all(query.severities),
      rules: all(query.rules),
      services: all(query.services),
      labels: all(query.labels),
      frameworks: all(query.frameworks),
      controls: all(query.controls),
      traceId: one(query.traceId),
      text: one(query.text),
    };
    return narrowed(made, filters ?? []);
  }

  /** What a filter may name of a kind. Where there is more than the backend gives, what begins with what is typed. */
  async choices(kind: Kind, typed = ''): Promise<Choice[]> {
    if (kind === 'rule' || kind === 'severity') {
      return this.getResource(kind === 'rule' ? 'rules' : 'severities');
    }
    const found: Choice[] = await this.getResource(`values/${kind}`);
    return typed && found.length >= MOST ? this.beginning(kind, typed) : found;
  }

  /** The values of one label. */
  async labelValues(key: string): Promise<Choice[]> {
    const found = await this.beginning('label', `${key}:`);
    return found.map(({ value }) => value.slice(key.length + 1)).map((value) => ({ value, label: value }));
  }

  private async beginning(kind: Kind, prefix: string): Promise<Choice[]> {
    return this.getResource(`values/${kind}`, { prefix });
  }

  /** The keys of labels. */
  async labelKeys(): Promise<string[]> {
    const found = await this.choices('label');
    return [...new Set(found.map(({ value }) => value.slice(0, value.indexOf(':'))))];
  }

  async getTagKeys(): Promise<MetricFindValue[]> {
    const labels = await this.labelKeys();
    return [...KEYS, ...labels.map((key) => LABEL + key)].map((text) => ({ text }));
  }

  async getTagValues({ key }: DataSourceGetTagValuesOptions<BeTraceQuery>): Promise<MetricFindValue[]> {
    const found = await this.tagValues(key);
    return found.map(({ value, label }) => ({ text: label, value }));
  }

  private async tagValues(key: string): Promise<Choice[]> {
    if (key.startsWith(LABEL)) {
      return this.labelValues(key.slice(LABEL.length));
    }
    const kinds: Record<string, Kind> = { severity: 'severity', ruleId: 'rule', service: 'service' };
    return key in kinds ? this.choices(kinds[key]) : [];
  }
}
