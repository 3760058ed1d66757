import React from 'react';
import { DataSourcePluginOptionsEditorProps } from '@grafana/data';
import { DataSourcePicker } from '@grafana/runtime';
import { Field, FieldSet, Input, SecretInput, SecretTextArea, Switch } from '@grafana/ui';
import { BeTraceOptions, BeTraceSecrets } from '../types';

type Props = DataSourcePluginOptionsEditorProps<BeTraceOptions, BeTraceSecrets>;

const WIDTH = 60;

export function ConfigEditor({ options, onOptionsChange }: Props) {
  const { jsonData, secureJsonData, secureJsonFields, readOnly } = options;
  const set = (changed: Partial<BeTraceOptions>) =>
    onOptionsChange({ ...options, jsonData: { ...jsonData, ...changed } });
  const setSecret =
    (name: keyof BeTraceSecrets) => (event: React.SyntheticEvent<HTMLInputElement | HTMLTextAreaElement>) =>
      onOptionsChange({ ...options, secureJsonData: { ...secureJsonData, [name]: event.currentTarget.value } });
  const reset = (name: keyof BeTraceSecrets) => () =>
    onOptionsChange({
      ...options,
      secureJsonFields: { ...secureJsonFields, [name]: false },
      secureJsonData: { ...secureJsonData, [name]: '' },
    });
  return (
    <>
      <FieldSet label="BeTrace">
        <Field
          label="URL"
          description="Of BeTrace's HTTP API, as Grafana's server reaches it"
          required
          htmlFor="betrace-url"
        >
          <Input
            id="betrace-url"
            width={WIDTH}
            disabled={readOnly}
            value={options.url}
            placeholder="http://betrace-api:12011"
            onChange={(event) => onOptionsChange({ ...options, url: event.currentTarget.value.trim() })}
          />
        </Field>
        <Field
          label="API token"
          description="With the role viewer; only if the API asks for one"
          htmlFor="betrace-token"
        >
          <SecretInput
            id="betrace-token"
            width={WIDTH}
            disabled={readOnly}
            isConfigured={Boolean(secureJsonFields?.apiToken)}
            value={secureJsonData?.apiToken ?? ''}
            placeholder="none"
            onChange={setSecret('apiToken')}
            onReset={reset('apiToken')}
          />
        </Field>
        <Field label="Timeout" description="Seconds that a query may take" htmlFor="betrace-timeout">
          <Input
            id="betrace-timeout"
            type="number"
            min={1}
            width={20}
            disabled={readOnly}
            value={jsonData.timeout ?? ''}
            placeholder="30"
            onChange={(event) => set({ timeout: event.currentTarget.valueAsNumber || undefined })}
          />
        </Field>
      </FieldSet>
      <FieldSet label="Traces">
        <Field label="Tempo" description="Trace ids lead to this datasource, at the span that is the evidence">
          <DataSourcePicker
            inputId="betrace-tempo"
            type="tempo"
            current={jsonData.tempoDatasourceUid ?? null}
            noDefault
            width={WIDTH}
            disabled={readOnly}
            placeholder="none: no links"
            onChange={(chosen) => set({ tempoDatasourceUid: chosen.uid })}
            onClear={() => set({ tempoDatasourceUid: undefined })}
          />
        </Field>
      </FieldSet>
      <FieldSet label="TLS">
        <Field label="Own CA" description="Trust the API's certificate by this CA" htmlFor="betrace-ca-on">
          <Switch
            id="betrace-ca-on"
            disabled={readOnly}
            value={Boolean(jsonData.tlsAuthWithCACert)}
            onChange={(event) => set({ tlsAuthWithCACert: event.currentTarget.checked })}
          />
        </Field>
        {jsonData.tlsAuthWithCACert && (
          <Field label="CA certificate" htmlFor="betrace-ca">
            <SecretTextArea
              id="betrace-ca"
              cols={WIDTH}
              rows={6}
              disabled={readOnly}
              isConfigured={Boolean(secureJsonFields?.tlsCACert)}
              value={secureJsonData?.tlsCACert ?? ''}
              placeholder="-----BEGIN CERTIFICATE-----"
              onChange={setSecret('tlsCACert')}
              onReset={reset('tlsCACert')}
            />
          </Field>
        )}
        <Field
          label="Server name"
          description="If the certificate has another than the URL"
          htmlFor="betrace-server-name"
        >
          <Input
            id="betrace-server-name"
            width={WIDTH}
            disabled={readOnly}
            value={jsonData.serverName ?? ''}
            placeholder="as in the URL"
            onChange={(event) => set({ serverName: event.currentTarget.value.trim() || undefined })}
          />
        </Field>
        <Field
          label="Skip verification"
          description="Of the certificate: only to try things out"
          htmlFor="betrace-skip"
        >
          <Switch
            id="betrace-skip"
            disabled={readOnly}
            value={Boolean(jsonData.tlsSkipVerify)}
            onChange={(event) => set({ tlsSkipVerify: event.currentTarget.checked })}
          />
        </Field>
      </FieldSet>
    </>
  );
}
