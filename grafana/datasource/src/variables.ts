import {
  CustomVariableSupport,
  DataQueryRequest,
  DataQueryResponse,
  MetricFindValue,
  QueryEditorProps,
} from '@grafana/data';
import { ComponentType } from 'react';
import { Observable, from, map } from 'rxjs';
import { VariableEditor } from './components/VariableEditor';
import type { DataSource } from './datasource';
import { BeTraceOptions, BeTraceQuery, VariableQuery } from './types';

/** Variables list what filters may name. */
export class Variables extends CustomVariableSupport<DataSource, VariableQuery, BeTraceQuery, BeTraceOptions> {
  // The interface gives any datasource, Grafana gives this one.
  editor: ComponentType<QueryEditorProps<any, BeTraceQuery, BeTraceOptions, VariableQuery>> = VariableEditor;

  constructor(private readonly datasource: DataSource) {
    super();
  }

  query(request: DataQueryRequest<VariableQuery>): Observable<DataQueryResponse> {
    return from(this.values(request.targets[0])).pipe(map((data) => ({ data })));
  }

  getDefaultQuery(): Partial<VariableQuery> {
    return { of: 'rule' };
  }

  private async values({ of, key }: VariableQuery): Promise<MetricFindValue[]> {
    if (of === 'label' && !key) {
      return [];
    }
    const found = of === 'label' && key ? this.datasource.labelValues(key) : this.datasource.choices(of ?? 'rule');
    return (await found).map(({ value, label }) => ({ text: label, value }));
  }
}
