import { DataSourceJsonData } from '@grafana/data';
import { DataQuery } from '@grafana/schema';

export type QueryType = 'violations' | 'timeseries' | 'count' | 'annotations';
export type Group = 'severity' | 'rule' | 'service';

/** What dashboards and alert rules store; grafana/datasource/README.md tells what the members mean. */
export interface BeTraceQuery extends DataQuery {
  queryType?: QueryType;
  severities?: string[];
  rules?: string[];
  services?: string[];
  labels?: string[];
  frameworks?: string[];
  controls?: string[];
  traceId?: string;
  text?: string;
  status?: 'open' | 'retracted' | 'any';
  mode?: 'enforce' | 'shadow' | 'any';
  groupBy?: Group[];
  limit?: number;
}

export interface BeTraceOptions extends DataSourceJsonData {
  tempoDatasourceUid?: string;
  timeout?: number;
  tlsAuthWithCACert?: boolean;
  tlsSkipVerify?: boolean;
  serverName?: string;
}

export interface BeTraceSecrets {
  apiToken?: string;
  tlsCACert?: string;
}

/** What a variable may list. */
export type Kind = 'rule' | 'severity' | 'service' | 'label' | 'framework' | 'control' | 'spanName' | 'attribute';

export interface VariableQuery {
  refId: string;
  of?: Kind;
  /** Of labels: whose values. */
  key?: string;
}

/** What a filter is completed with. */
export interface Choice {
  value: string;
  label: string;
}
